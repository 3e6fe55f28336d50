import { badRequest } from '../../api/machinery/status-error.ts';
import type { RequestInfo, RequestVerb } from './request.ts';

const VERBS: ReadonlyMap<string, RequestVerb> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);
const NON_RESOURCE_VERBS: ReadonlyMap<string, RequestVerb> = new Map([
  ['GET', 'get'],
  ['HEAD', 'head'],
  ['POST', 'post'],
  ['PUT', 'put'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
  ['OPTIONS', 'options'],
  ['CONNECT', 'connect'],
]);
/** A field selector that names one object narrows these to it, as far as authorization is concerned. */
const NARROWED_VERBS: ReadonlySet<RequestVerb> = new Set(['list', 'watch', 'deletecollection']);
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/** Reads method and target as upstream's `RequestInfoFactory` does. */
export function parseRequestInfo(method: string, target: string): RequestInfo {
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : target.slice(question + 1));
  const nonResource: RequestInfo = {
    verb: NON_RESOURCE_VERBS.get(method) ?? 'get',
    path,
    isResource: false,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    rest: '',
    query,
  };

  const parts = path.split('/');
  parts.shift();
  if (parts.at(-1) === '') parts.pop();
  const grouped = parts[0] === 'apis';
  if (!grouped && parts[0] !== 'api') return nonResource;
  const group = grouped ? decode(parts[1] ?? '') : '';
  let at = grouped ? 3 : 2;
  if (parts.length <= at) return { ...nonResource, group, version: parts[at - 1] ?? '' };
  const version = decode(parts[at - 1] ?? '');

  let verb: RequestVerb = VERBS.get(method) ?? 'get';
  if (parts[at] === 'watch') {
    verb = 'watch';
    at++;
  } else if (parts[at] === 'proxy') {
    verb = 'proxy';
    at++;
  }
  let namespace = '';
  let rest = parts.slice(at).map(decode);
  if (rest[0] === 'namespaces') {
    if (rest.length > 1) {
      namespace = rest[1] ?? '';
      // `/namespaces/x/status` is about the namespace itself.
      if (rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2] ?? '')) rest = rest.slice(2);
    }
  }
  const [resource = '', pathName = '', subresource = '', ...tail] = rest;
  let name = pathName;
  if (name === '') {
    if (verb === 'get') verb = query.size > 0 && isTrue(query.get('watch')) ? 'watch' : 'list';
    else if (verb === 'delete') verb = 'deletecollection';
    if (NARROWED_VERBS.has(verb)) name = nameInFieldSelector(query.get('fieldSelector'));
  }
  return {
    verb,
    path,
    isResource: true,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    rest: tail.join('/'),
    query,
  };
}

/** How query parameters say yes. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value !== 'false' && value !== '0' && value !== 'F' && value !== 'FALSE' && value !== 'False';

/** A list of one object by name is authorized as access to that name. */
function nameInFieldSelector(selector: string | null): string {
  const match = selector?.match(/(?:^|,)metadata\.name==?([^,=!]+)(?:,|$)/);
  return match?.[1] ?? '';
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path segment ${JSON.stringify(segment)} is not valid percent-encoding`);
  }
}
