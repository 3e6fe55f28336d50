/** Filters of rules, as what is done with a request. Pure. Everything throws UnsupportedError. */
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import type { Cors, HeaderChange, Mirror, PathChange, Redirect, RouteActions } from '../model/routing.ts';
import { FRAMING_HEADERS } from '../model/secrets.ts';
import { readCors } from './cors.ts';
import { UnsupportedError, type ReadMatch } from './matches.ts';
import type { BackendReference, Filter, HeaderFilter, PathModifier } from './objects.ts';

export interface FilterContext {
  /** Of the listener. */
  readonly scheme: 'http' | 'https';
  readonly port: number;
  /** Of the rule: a prefix is replaced where there is one. */
  readonly matches: readonly ReadMatch[];
}

export type FilterActions = Pick<
  RouteActions,
  'requestHeaders' | 'responseHeaders' | 'rewriteHost' | 'rewritePath' | 'redirect' | 'cors'
> & { readonly mirrors: readonly MirrorShare[] };

/** A reference that has not been looked up. */
export interface MirrorShare extends Omit<Mirror, 'backend'> {
  readonly reference: BackendReference;
}

/** @param lists of the rule, and of the backend */
export function readFilters(lists: readonly (readonly Filter[])[], context: FilterContext): FilterActions {
  const requestHeaders: HeaderChange[] = [];
  const responseHeaders: HeaderChange[] = [];
  const mirrors: MirrorShare[] = [];
  let redirect: Redirect | undefined;
  let rewriteHost: string | undefined;
  let rewritePath: PathChange | undefined;
  let cors: Cors | undefined;
  for (const filter of lists.flat()) {
    const { type, requestHeaderModifier, responseHeaderModifier, requestRedirect, requestMirror, urlRewrite } = filter;
    if (type === 'RequestHeaderModifier' && requestHeaderModifier)
      requestHeaders.push(...headerChanges(requestHeaderModifier));
    else if (type === 'ResponseHeaderModifier' && responseHeaderModifier)
      responseHeaders.push(...headerChanges(responseHeaderModifier));
    else if (type === 'RequestMirror' && requestMirror) mirrors.push(mirrorShare(requestMirror));
    else if (type === 'RequestRedirect' && requestRedirect) redirect = readRedirect(requestRedirect, context);
    else if (type === 'CORS' && filter.cors) cors = readCors(filter.cors);
    else if (type === 'URLRewrite' && urlRewrite) {
      if (urlRewrite.hostname !== undefined) rewriteHost = hostname(urlRewrite.hostname);
      if (urlRewrite.path) rewritePath = pathChange(urlRewrite.path, context);
    } else throw new UnsupportedError(`filters of type ${type} are not supported`);
  }
  if (mirrors.length > MAX_MIRRORS) throw new UnsupportedError(`more than ${MAX_MIRRORS} mirrors are not supported`);
  return { requestHeaders, responseHeaders, rewriteHost, rewritePath, redirect, cors, mirrors };
}

const MAX_MIRRORS = 4;
const PERCENT = 100;
const MAX_DENOMINATOR = 1_000_000_000;

/** All requests, unless it says which share of them. */
function mirrorShare({ backendRef, percent, fraction }: NonNullable<Filter['requestMirror']>): MirrorShare {
  const [numerator, denominator] = fraction
    ? [fraction.numerator, fraction.denominator ?? PERCENT]
    : [percent ?? PERCENT, PERCENT];
  const areSafe = [numerator, denominator].every((each) => Number.isInteger(each) && each >= 0);
  if (!areSafe || denominator < 1 || denominator > MAX_DENOMINATOR || numerator > denominator)
    throw new UnsupportedError('the share of a mirror is none');
  return { reference: backendRef, numerator, denominator };
}

function hostname(value: string): string {
  if (validateSubdomainName(value).length > 0) throw new UnsupportedError(`${JSON.stringify(value)} is no host name`);
  return value;
}

/** Names that need no care in a configuration. */
const NAME = /^[A-Za-z0-9!#$&*+\-.^_|~]{1,256}$/;
const VALUE = /^[ -~]{1,4096}$/;
const MAX_CHANGES = 64;

function headerChanges({ set = [], add = [], remove = [] }: HeaderFilter): readonly HeaderChange[] {
  const changes: HeaderChange[] = [
    ...remove.map((name): HeaderChange => ({ change: 'remove', name, value: '' })),
    ...set.map(({ name, value }): HeaderChange => ({ change: 'set', name, value })),
    ...add.map(({ name, value }): HeaderChange => ({ change: 'add', name, value })),
  ];
  if (changes.length > MAX_CHANGES) throw new UnsupportedError(`more than ${MAX_CHANGES} headers are not supported`);
  for (const { change, name, value } of changes) {
    const isFraming = FRAMING_HEADERS.has(name.toLowerCase()) || name.toLowerCase() === 'host';
    if (!NAME.test(name) || isFraming) throw new UnsupportedError(`header ${JSON.stringify(name)} cannot be changed`);
    if (change !== 'remove' && !VALUE.test(value))
      throw new UnsupportedError(`the value of header ${name} is not printable ASCII`);
  }
  return changes;
}

/** A path that gets into a header or a request line. */
const REPLACEMENT = /^[A-Za-z0-9\-._~:/@!$&'()*+,;=%]{0,1024}$/;

function pathChange({ type, replaceFullPath, replacePrefixMatch }: PathModifier, context: FilterContext): PathChange {
  const by =
    type === 'ReplaceFullPath' ? replaceFullPath : type === 'ReplacePrefixMatch' ? replacePrefixMatch : undefined;
  if (by === undefined) throw new UnsupportedError(`path modifiers of type ${type} are not supported`);
  if (!REPLACEMENT.test(by)) throw new UnsupportedError(`${JSON.stringify(by)} is no path`);
  const whole = by.startsWith('/') ? by : `/${by}`;
  if (type === 'ReplaceFullPath') return { replaces: 'all', by: whole };
  const [match, ...others] = context.matches;
  if (match?.path.type !== 'prefix' || others.length > 0)
    throw new UnsupportedError('ReplacePrefixMatch needs exactly one match, of type PathPrefix');
  return { replaces: 'prefix', prefix: match.path.path, by: whole.replace(/\/+$/, '') };
}

const PORTS = { http: 80, https: 443 } as const;
const CODES: readonly number[] = [301, 302, 303, 307, 308];

function readRedirect(
  { scheme, hostname: host, path, port, statusCode = 302 }: NonNullable<Filter['requestRedirect']>,
  context: FilterContext,
): Redirect {
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https')
    throw new UnsupportedError(`scheme ${JSON.stringify(scheme)} is not supported`);
  if (!CODES.includes(statusCode)) throw new UnsupportedError(`status code ${statusCode} is not one of a redirect`);
  const target = scheme ?? context.scheme;
  // Without scheme and port, it is the listener's.
  const wanted = port ?? (scheme === undefined ? context.port : undefined);
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= 65_535))
    throw new UnsupportedError('the port of a redirect is none');
  return {
    scheme: target,
    host: host === undefined ? undefined : hostname(host),
    port: wanted === PORTS[target] ? undefined : wanted,
    path: path && pathChange(path, context),
    code: statusCode,
  };
}
