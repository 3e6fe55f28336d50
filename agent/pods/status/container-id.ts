/** `containerID` in a pod's status: the container's id in the runtime, with the name of the runtime before it. */

/** `ID` -> `containerd://ID`. */
export const containerIDOf = (runtimeId: string): string => `containerd://${runtimeId}`;

/** `containerd://ID` -> `ID`; '' when there is none. */
export const runtimeIdOf = (containerID: string | undefined): string => containerID?.replace(/^[^:]*:\/\//, '') ?? '';
