/** What a request asks for, from its method and path: upstream's `request.RequestInfo`. */
import { unescape } from 'node:querystring';
import { isTrue, type Query } from '../../../api/machinery/query-values.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import { parseFieldSelector, requiredValue, SelectorError } from '../../../api/machinery/selectors.ts';

/**
 * Parsed once; the only source for authorization and handlers, so that what is authorized is what is served.
 */
export interface RequestInfo {
  /** The HTTP method, unchanged. */
  readonly method: string;
  /**
   * For a resource: `get`, `list`, ..., or '' for methods that it does not have. For any other path the method in lower
   * case.
   */
  readonly verb: string;
  /** The path without the query, decoded. */
  readonly path: string;
  readonly isResource: boolean;
  /** The deprecated form with the verb in front of the resource: `/api/v1/watch/pods`. */
  readonly verbInPath: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The undecoded path up to and including the subresource, and the rest from the next slash on. */
  readonly written: string;
  readonly rest: string;
  readonly query: Query;
  /** Selects objects of a list, watch or deletecollection. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

const VERBS: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);
const VERBS_IN_PATH = new Set(['watch', 'proxy']);
const SELECTING_VERBS = new Set(['list', 'watch', 'deletecollection']);
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/** Parses method and target as upstream's `RequestInfoFactory` does. Throws a 400 StatusError for invalid escapes. */
export function parseRequestInfo(method: string, target: string): RequestInfo {
  const [written, queryText] = splitTarget(target);
  const query = parseQuery(queryText);
  const segments = written.split('/').slice(1);
  if (!isResourcePath(written, segments)) return nonResource(method, written, query);
  const grouped = segments[0] === 'apis';

  let used = 0;
  /** Where the parsed segments end. */
  let end = 0;
  /** The next segment, as one name: an encoded slash in it would make it two segments for a proxy or backend. */
  const next = (): string => {
    const encoded = segments[used++];
    if (encoded === undefined) return '';
    end += encoded.length + 1;
    const segment = decode(encoded);
    if (segment.includes('/')) throw badRequest(`the path segment ${JSON.stringify(segment)} must not contain a slash`);
    return segment;
  };
  next();
  const group = grouped ? next() : '';
  const version = next();

  let resource = next();
  const verbInPath = VERBS_IN_PATH.has(resource);
  let verb = verbInPath ? resource : (VERBS.get(method) ?? '');
  if (verbInPath) resource = next();
  let name = next();
  let subresource = next();
  let namespace = '';
  if (resource === 'namespaces') {
    namespace = name;
    // `/namespaces/x/status` is about the namespace itself.
    if (subresource !== '' && !NAMESPACE_SUBRESOURCES.has(subresource)) {
      resource = subresource;
      name = next();
      subresource = next();
    }
  }
  if (name === '' && verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
  else if (name === '' && verb === 'delete') verb = 'deletecollection';
  const selects = SELECTING_VERBS.has(verb) && query.size > 0;
  const fieldSelector = (selects && query.get('fieldSelector')) || '';
  // A list of one object by name is authorized, and served, as that object.
  if (name === '' && (verb === 'list' || verb === 'watch')) name = nameInFieldSelector(fieldSelector);
  return {
    method,
    verb,
    path: decode(written),
    isResource: true,
    verbInPath,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    written: written.slice(0, end),
    rest: written.slice(end),
    query,
    fieldSelector,
    labelSelector: (selects && query.get('labelSelector')) || '',
  };
}

const ROOTS: ReadonlyMap<string, number> = new Map([
  ['api', 2],
  ['apis', 3],
]);

/** Whether something follows the version, which a group comes before under `/apis`. */
function isResourcePath(path: string, segments: readonly string[]): boolean {
  const start = ROOTS.get(segments[0] ?? '');
  if (start === undefined || !path.startsWith('/') || (start === 3 && segments[1] === '')) return false;
  for (let at = start; at < segments.length; at++) if (segments[at] !== '') return true;
  return false;
}

const nonResource = (method: string, written: string, query: Query): RequestInfo => ({
  method,
  verb: method.toLowerCase(),
  path: decode(written),
  isResource: false,
  verbInPath: false,
  group: '',
  version: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  written,
  rest: '',
  query,
  fieldSelector: '',
  labelSelector: '',
});

const NO_PARAMETERS: Query = new URLSearchParams();

/** A command may be long. Parsing some hundreds of thousands blocks the event loop for seconds. */
const MAX_PARAMETERS = 10_000;

/** Throws a 400 StatusError for more parameters than any client needs: they are parsed before the client is authenticated. */
function parseQuery(text: string): Query {
  if (text === '') return NO_PARAMETERS;
  let separators = 0;
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', at + 1))
    if (++separators >= MAX_PARAMETERS) throw badRequest(`more than ${MAX_PARAMETERS} query parameters`);
  return new URLSearchParams(text);
}

/** Splits into path and query; drops scheme and host of an absolute URL, which is the form for proxies. */
function splitTarget(target: string): [path: string, query: string] {
  const local = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '') || '/';
  const question = local.indexOf('?');
  return question < 0 ? [local, ''] : [local.slice(0, question), local.slice(question + 1)];
}

/** '' unless the selector names a single object. Invalid selectors are rejected when they are used. */
function nameInFieldSelector(selector: string): string {
  if (selector === '') return '';
  try {
    const name = requiredValue(parseFieldSelector(selector), 'metadata.name') ?? '';
    return isPathSegment(name) ? name : '';
  } catch (error) {
    if (error instanceof SelectorError) return '';
    throw error;
  }
}

const isPathSegment = (name: string): boolean => name !== '.' && name !== '..' && !/[/%]/.test(name);

const BAD_ESCAPE = /%(?![0-9a-f]{2})/i;

function decode(text: string): string {
  if (!text.includes('%')) return text;
  if (BAD_ESCAPE.test(text)) throw badRequest(`the path ${JSON.stringify(text)} has an invalid escape`);
  return unescape(text);
}
