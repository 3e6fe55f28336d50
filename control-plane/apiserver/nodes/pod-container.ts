/** Which container of a pod a request means. */
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** Upstream's `validateContainer`: the named one, or the only one. Throws a 400. */
export function chooseContainer(pod: Pod, asked: string): string {
  const name = pod.metadata?.name ?? '';
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const all = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name);
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [only, ...others] = containers;
  if (only !== undefined && others.length === 0) return only.name;
  const must = `a container name must be specified for pod ${name}`;
  throw badRequest(only === undefined ? must : `${must}, choose one of: [${all.join(' ')}]`);
}
