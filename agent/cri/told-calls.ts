/** What the flight recorder is told of calls: their names and what they are about, never what is in them. Pure. */

/** Calls that change something, of the CRI, of CSI drivers and of device plugins. */
const CHANGES: ReadonlySet<string> = new Set([
  ...['RunPodSandbox', 'StopPodSandbox', 'RemovePodSandbox'],
  ...['CreateContainer', 'StartContainer', 'StopContainer', 'RemoveContainer', 'UpdateContainerResources'],
  ...['PullImage', 'RemoveImage', 'UpdateRuntimeConfig', 'Exec', 'Attach', 'PortForward'],
  ...['NodeStageVolume', 'NodeUnstageVolume', 'NodePublishVolume', 'NodeUnpublishVolume', 'NodeExpandVolume'],
  ...['NodePrepareResources', 'NodeUnprepareResources', 'Allocate', 'Kill', 'Delete', 'View'],
]);

/** Probes are told when they change something: their calls take as long as their commands. */
const PROBE = 'ExecSync';
/** Others are told when they fail, or take this long. */
const SLOW_MS = 2_000;

export const isTold = (call: string, ms: number, failed: boolean): boolean =>
  call !== PROBE && (failed || ms >= SLOW_MS || CHANGES.has(call));

interface Named {
  readonly containerId?: unknown;
  readonly podSandboxId?: unknown;
  readonly volumeId?: unknown;
  readonly image?: { readonly image?: unknown };
  readonly config?: { readonly metadata?: { readonly name?: unknown } };
}

/**
 * The container, image or volume that a call names, and the id of a container or sandbox: of the one that it has made, otherwise of
 * the one that it is about.
 */
export function targetOf(
  request: object,
  response: object | undefined,
): { readonly target?: string; readonly id?: string } {
  const { containerId, podSandboxId, volumeId, image, config } = request as Named;
  const target = [config?.metadata?.name, image?.image, volumeId].find((name) => typeof name === 'string');
  const made = (response ?? {}) as Named;
  const id = [made.containerId, containerId, made.podSandboxId, podSandboxId].find((one) => typeof one === 'string');
  return { ...(target !== undefined && { target }), ...(id !== undefined && { id }) };
}
