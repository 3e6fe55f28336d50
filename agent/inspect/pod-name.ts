/** Which pod and container of this host a person means. Pure. */
import { HostError } from '../host/host-error.ts';

export interface PodName {
  /** Undefined: whichever has a pod of this name here. */
  readonly namespace: string | undefined;
  readonly name: string;
}

const NAME = /^(?:([a-z0-9][a-z0-9-]{0,62})\/)?([a-z0-9][a-z0-9.-]{0,252})$/;

/** `NAME` or `NAMESPACE/NAME`, with `pod/` before it or not. Throws HostError. */
export function parsePodName(text: string, namespace?: string): PodName {
  const given = text.replace(/^pods?\//, '');
  const [, before, name] = NAME.exec(given) ?? [];
  if (name === undefined) throw new HostError(`a pod is named [NAMESPACE/]NAME, not ${JSON.stringify(text)}`);
  if (before !== undefined && namespace !== undefined && before !== namespace)
    throw new HostError(`${text} is not in namespace ${namespace}`);
  return { namespace: before ?? namespace, name };
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** The pods that are meant; several when the name is in more than one namespace, or a pod has been replaced by one of its name. */
export const podsNamed = <P extends Named>(pods: readonly P[], wanted: PodName): P[] =>
  pods.filter(
    ({ namespace, name }) => name === wanted.name && (wanted.namespace === undefined || namespace === wanted.namespace),
  );

/** The one pod that is meant: the first of them where one of its name has been replaced. Throws HostError. */
export function thePod<P extends Named>(pods: readonly P[], wanted: PodName): P {
  const found = podsNamed(pods, wanted);
  const namespaces = [...new Set(found.map(({ namespace }) => namespace))];
  if (namespaces.length > 1)
    throw new HostError(
      `pods of this name are in several namespaces: name one of ${namespaces.map((one) => `${one}/${wanted.name}`).join(', ')}`,
    );
  const [pod] = found;
  if (pod) return pod;
  const where = wanted.namespace === undefined ? '' : ` of namespace ${wanted.namespace}`;
  throw new HostError(`no pod ${wanted.name}${where} is on this host (kedge ps lists those that are)`);
}

/** The container that is meant: the one named, or the only one. Throws HostError. */
export function theContainer(pod: string, names: readonly string[], wanted: string | undefined): string {
  const all = names.join(', ');
  if (wanted !== undefined) {
    if (names.includes(wanted)) return wanted;
    throw new HostError(`pod ${pod} has no container ${JSON.stringify(wanted)} here: it has ${all || 'none'}`);
  }
  const [only, another] = names;
  if (only === undefined) throw new HostError(`pod ${pod} has no container here yet`);
  if (another !== undefined) throw new HostError(`pod ${pod} has several containers: choose one with -c: ${all}`);
  return only;
}
