/** What the runtime has of pods, without annotations and last words: both are their authors'. Pure. */
import type { RuntimeState } from '../pod-view.ts';

const OWN_LABEL = /^io\.kubernetes\./;
const ownLabels = (labels: Readonly<Record<string, string>>): object =>
  Object.fromEntries(Object.entries(labels).filter(([name]) => OWN_LABEL.test(name)));

export function publicRuntime({ sandboxes, sandboxStatuses, containers, containerStatuses }: RuntimeState): object {
  return {
    sandboxes: sandboxes.map(({ id, metadata, state, createdAt, labels }) => ({
      ...{ id, metadata, state, createdAt, labels: ownLabels(labels) },
      network: sandboxStatuses.get(id)?.network,
    })),
    containers: containers.map(({ id, podSandboxId }) => {
      const status = containerStatuses.get(id);
      if (!status) return { id, podSandboxId };
      const { metadata, state, createdAt, startedAt, finishedAt, exitCode, reason, imageRef, logPath, labels } = status;
      return {
        ...{ id, podSandboxId, metadata, state, createdAt, startedAt, finishedAt, exitCode, reason, imageRef, logPath },
        labels: ownLabels(labels),
      };
    }),
  };
}
