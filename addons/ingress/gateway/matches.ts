/** Matches of routes as the proxy tests them, and which of them comes first. Pure. */
import { literalPattern, patternProblem } from '../model/pattern.ts';
import type { RoutePath, ValueMatch } from '../model/routing.ts';
import type { GrpcMatch, HttpMatch, NamedMatch } from './objects.ts';

/** Something of a route that is not supported. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError';
}

export interface ReadMatch {
  readonly path: Pick<RoutePath, 'type' | 'path'>;
  readonly method: string | undefined;
  readonly headers: readonly ValueMatch[];
  readonly parameters: readonly ValueMatch[];
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const MAX_PATH = 1_024;
const PATH = /^\/[!-~]*$/;
/** Others are deleted from requests before they are looked at. */
const HEADER = /^[A-Za-z0-9-]{1,256}$/;
const PARAMETER = /^[A-Za-z0-9_.-]{1,256}$/;
const PRINTABLE = /^[ -~]{1,4096}$/;

/** Throws UnsupportedError. */
export function readHttpMatch({ path, headers = [], queryParams = [], method }: HttpMatch): ReadMatch {
  if (method !== undefined && !METHODS.includes(method))
    throw new UnsupportedError(`method ${JSON.stringify(method)} is not supported`);
  return {
    path: readPath(path?.type ?? 'PathPrefix', path?.value ?? '/'),
    method,
    headers: readHeaders(headers),
    parameters: uniqueBy(queryParams, (name) => name).map((each) => readValue('query parameter', PARAMETER, each)),
  };
}

/** gRPC's methods are paths: `/SERVICE/METHOD`. Throws UnsupportedError. */
export function readGrpcMatch({ method, headers = [] }: GrpcMatch): ReadMatch {
  return { path: readMethod(method), method: undefined, headers: readHeaders(headers), parameters: [] };
}

function readMethod({ type = 'Exact', service = '', method = '' }: GrpcMatch['method'] = {}): ReadMatch['path'] {
  if (service === '' && method === '') return { type: 'prefix', path: '' };
  if (type === 'Exact') {
    for (const each of [service, method])
      if (!/^[A-Za-z0-9_.]*$/.test(each)) throw new UnsupportedError(`${JSON.stringify(each)} is no name of gRPC`);
    if (service !== '' && method !== '') return { type: 'exact', path: `/${service}/${method}` };
    if (service !== '') return { type: 'prefix', path: `/${service}` };
    return { type: 'pattern', path: `/[^/]+/${literalPattern(method)}` };
  }
  if (type !== 'RegularExpression') throw new UnsupportedError(`matches of type ${type} are not supported`);
  const [left, right] = [service, method].map((part) => (part === '' ? '[^/]+' : `(?:${checkedPattern(part)})`));
  return { type: 'pattern', path: `/${left}/${right}` };
}

function readPath(type: string, value: string): ReadMatch['path'] {
  if (type === 'RegularExpression') return { type: 'pattern', path: checkedPattern(value) };
  if (type !== 'Exact' && type !== 'PathPrefix') throw new UnsupportedError(`paths of type ${type} are not supported`);
  if (!PATH.test(value) || value.length > MAX_PATH)
    throw new UnsupportedError(
      `path ${JSON.stringify(value)} does not begin with / or has characters that none may have`,
    );
  return type === 'Exact' ? { type: 'exact', path: value } : { type: 'prefix', path: value.replace(/\/+$/, '') };
}

/** Header names are compared without regard to case; of several with one name, the first counts. */
const readHeaders = (headers: readonly NamedMatch[]): readonly ValueMatch[] =>
  uniqueBy(headers, (name) => name.toLowerCase()).map((each) => readValue('header', HEADER, each));

function uniqueBy(matches: readonly NamedMatch[], key: (name: string) => string): readonly NamedMatch[] {
  const seen = new Set<string>();
  return matches.filter(({ name }) => !seen.has(key(name)) && seen.add(key(name)));
}

function readValue(what: string, names: RegExp, { type = 'Exact', name, value }: NamedMatch): ValueMatch {
  if (!names.test(name)) throw new UnsupportedError(`${what} ${JSON.stringify(name)} cannot be matched`);
  if (type === 'RegularExpression') return { name, isPattern: true, value: checkedPattern(value) };
  if (type !== 'Exact') throw new UnsupportedError(`matches of type ${type} are not supported`);
  if (!PRINTABLE.test(value)) throw new UnsupportedError(`the value of ${what} ${name} is not printable ASCII`);
  return { name, isPattern: false, value };
}

function checkedPattern(pattern: string): string {
  // It is about the whole value.
  const problem = pattern === '' ? 'is empty' : (patternProblem(pattern) ?? patternProblem(`(?:${pattern})$`));
  if (problem !== undefined) throw new UnsupportedError(`regular expression ${JSON.stringify(pattern)} ${problem}`);
  return pattern;
}

const RANK: Readonly<Record<RoutePath['type'], number>> = { exact: 0, pattern: 1, prefix: 2 };

/**
 * Which of two matches for one host comes first; 0 when their routes decide.
 * https://gateway-api.sigs.k8s.io/reference/api-spec/1.4/spec/#httprouterule
 */
export const comparePrecedence = (a: ReadMatch, b: ReadMatch): number =>
  RANK[a.path.type] - RANK[b.path.type] ||
  b.path.path.length - a.path.path.length ||
  Number(b.method !== undefined) - Number(a.method !== undefined) ||
  b.headers.length - a.headers.length ||
  b.parameters.length - a.parameters.length;

/** Whether only the path counts, and it can be looked up. */
export const isPlain = ({ path, method, headers, parameters }: ReadMatch): boolean =>
  path.type !== 'pattern' && method === undefined && headers.length === 0 && parameters.length === 0;
