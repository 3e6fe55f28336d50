/** Under which keys objects are stored. Pure. */
import type { Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { kinds } from '../../../api/registry.ts';

export interface KeyLayout {
  /** What all keys begin with, as `/registry/`. */
  readonly root: string;
  /** What the keys of a kind's objects begin with; `NAMESPACE/NAME` or `NAME` follows. */
  readonly prefixOf: (kind: Pick<Kind, 'group' | 'plural' | 'custom'>) => string;
  /** The kind's prefix of an object's key. */
  readonly prefixIn: (key: string) => string;
  /** The resource of an object's key; the group of core is ''. */
  readonly resourceIn: (key: string) => Pick<Kind, 'group' | 'plural'>;
}

const DEFAULT_ROOT = '/registry/';

/** The key up to and with the slash after `segments` parts behind the root; '' when it has fewer. */
function leading(key: string, root: string, segments: number): string {
  let end = root.length - 1;
  for (let i = 0; i < segments; i++) {
    end = key.indexOf('/', end + 1);
    if (end < 0) return '';
  }
  return key.slice(0, end + 1);
}

function groupedIn(key: string, root: string): Pick<Kind, 'group' | 'plural'> {
  const [group = '', plural = ''] = key.slice(root.length).split('/', 2);
  return { group, plural };
}

/** Of the embedded store: by group and resource. */
export const GROUPED_KEYS: KeyLayout = {
  root: DEFAULT_ROOT,
  prefixOf: ({ group, plural }) => `${DEFAULT_ROOT}${group || 'core'}/${plural}/`,
  prefixIn: (key) => leading(key, DEFAULT_ROOT, 2),
  resourceIn: (key) => {
    const { group, plural } = groupedIn(key, DEFAULT_ROOT);
    return { group: group === 'core' ? '' : group, plural };
  },
};

/**
 * Groups of API servers of their own upstream, whose kinds are stored by group, as custom ones are; those of metrics.k8s.io, which have
 * the names of other kinds, are not stored at all.
 */
const GROUPED: ReadonlySet<string> = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io', 'metrics.k8s.io']);
/**
 * Upstream's names of old: `SpecialDefaultResourcePrefixes` of
 * https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/kubeapiserver/default_storage_factory_builder.go
 */
const SPECIAL: ReadonlyMap<string, string> = new Map([
  ['/replicationcontrollers', 'controllers'],
  ['/endpoints', 'services/endpoints'],
  ['/services', 'services/specs'],
  ['/nodes', 'minions'],
  ['networking.k8s.io/ingresses', 'ingress'],
]);

/**
 * kube-apiserver's in etcd: built-in kinds by resource alone, custom ones by group and resource.
 * @param prefix upstream's `--etcd-prefix`, as `/registry`
 */
export function upstreamKeys(prefix = '/registry'): KeyLayout {
  const root = `${prefix.replace(/\/+$/, '')}/`;
  const prefixOf: KeyLayout['prefixOf'] = ({ group, plural, custom }) => {
    if (custom || GROUPED.has(group)) return `${root}${group}/${plural}/`;
    return `${root}${SPECIAL.get(`${group}/${plural}`) ?? plural}/`;
  };
  const prefixIn: KeyLayout['prefixIn'] = (key) => {
    const first = leading(key, root, 1);
    // Groups of custom kinds have a dot, and no resource has one.
    return first === `${root}services/` || first.includes('.', root.length) ? leading(key, root, 2) : first;
  };
  const builtIn = new Map(kinds.filter((kind) => cachedKind(kind) === kind).map((kind) => [prefixOf(kind), kind]));
  return { root, prefixOf, prefixIn, resourceIn: (key) => builtIn.get(prefixIn(key)) ?? groupedIn(key, root) };
}
