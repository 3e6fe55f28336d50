/** Places in the console, as the fragment of its address. */

/** Which resource; the core group is ''. */
export interface ResourceName {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

export const TABS = ['summary', 'yaml', 'events', 'related', 'logs', 'terminal'] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'create' }
  | ({ readonly page: 'list'; readonly namespace: string; readonly filter: string } & ResourceName)
  | ({ readonly page: 'object'; readonly namespace: string; readonly name: string; readonly tab: Tab } & ResourceName);

const CORE = 'core';
/** Stands for no namespace, which a name cannot be. */
const NONE = '-';

/** Anything that is no place leads to the overview. */
export function parseRoute(fragment: string): Route {
  const [path = '', query = ''] = fragment.replace(/^#?\/?/, '').split('?', 2);
  const [page, group, version, resource, namespace, name, tab] = path.split('/').map(decoded);
  if (page === 'create') return { page };
  if (!group || !version || !resource) return { page: 'overview' };
  const which = { group: group === CORE ? '' : group, version, resource };
  if (page === 'list') {
    const parameters = new URLSearchParams(query);
    return {
      page,
      ...which,
      namespace: parameters.get('namespace') ?? '',
      filter: parameters.get('filter') ?? '',
    };
  }
  if (page === 'object' && namespace && name) {
    const known = TABS.find((one) => one === tab) ?? 'summary';
    return { page, ...which, namespace: namespace === NONE ? '' : namespace, name, tab: known };
  }
  return { page: 'overview' };
}

export function formatRoute(route: Route): string {
  if (route.page === 'overview') return '#/';
  if (route.page === 'create') return '#/create';
  const which = [route.page, route.group || CORE, route.version, route.resource];
  if (route.page === 'object') {
    const tab = route.tab === 'summary' ? [] : [route.tab];
    return joined([...which, route.namespace || NONE, route.name, ...tab]);
  }
  const parameters = new URLSearchParams();
  if (route.namespace) parameters.set('namespace', route.namespace);
  if (route.filter) parameters.set('filter', route.filter);
  return joined(which) + (parameters.size > 0 ? `?${parameters.toString()}` : '');
}

const joined = (segments: readonly string[]): string => `#/${segments.map(encodeURIComponent).join('/')}`;

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

/** The path of a resource, of one namespace or all, or of one object. */
export function apiPath(
  { group, version, resource }: ResourceName,
  namespace = '',
  name = '',
  subresource = '',
): string {
  const root = group === '' ? ['api', version] : ['apis', group, version];
  const within = namespace === '' ? [] : ['namespaces', namespace];
  const rest = [name, ...(subresource === '' ? [] : [subresource])].filter((segment) => segment !== '');
  return `/${[...root, ...within, resource, ...rest].map(encodeURIComponent).join('/')}`;
}
