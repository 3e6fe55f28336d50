/** What a pod requests while it runs, as autoscalers count it. */
import { isPodLevelResource, podQuantity } from '../../../api/domain/pod-resources.ts';
import { quantityMilliValue } from '../../../api/machinery/quantity.ts';
import type { Container, PodSpec } from '../../../api/types/core/v1.gen.ts';

/** In thousandths, by resource. */
type MilliValues = Readonly<Record<string, number>>;

export interface PodRequests {
  /** Set when the pod has requests at pod level: of these, and of the others at its peak. */
  readonly pod?: MilliValues;
  /** Of containers and sidecars. */
  readonly containers: readonly { readonly name: string; readonly requests: MilliValues }[];
}

export function podRequestsOf(spec: PodSpec | undefined): PodRequests {
  const { containers = [], initContainers = [], resources } = spec ?? {};
  const running = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  const ofContainers = running.map(({ name, resources: { requests = {} } = {} }: Container) => ({
    name,
    requests: milliValues(Object.entries(requests)),
  }));
  const hasPodLevel = Object.keys(resources?.requests ?? {}).some(isPodLevelResource);
  if (!hasPodLevel || !spec) return { containers: ofContainers };
  const names = new Set(
    [resources?.requests ?? {}, ...running.map((one) => one.resources?.requests ?? {})].flatMap(Object.keys),
  );
  const quantities = [...names].map((name) => [name, podQuantity(spec, 'requests', name)] as const);
  return { pod: milliValues(quantities), containers: ofContainers };
}

const milliValues = (quantities: readonly (readonly [string, string | undefined])[]): MilliValues =>
  Object.fromEntries(
    quantities.flatMap(([name, quantity]) => (quantity === undefined ? [] : [[name, quantityMilliValue(quantity)]])),
  );
