/** Where a webhook is, and what it is called with: upstream's `ValidateWebhookURL`, `ValidateWebhookService` and review versions. */
import { addErrors, type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { validateLabel1035Name, validatePortNumber, validateSubdomainName } from '../../machinery/names.ts';
import type { ServiceReference, WebhookClientConfig } from '../../types/admissionregistration/v1.gen.ts';

const FORM = '; desired format: https://host[/path]';
/** RFC 3986, appendix B. */
const URL_PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

export function validateClientConfig({ url, service }: WebhookClientConfig, path: string): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [required(path, 'exactly one of url or service is required')];
  return url === undefined ? validateService(service, `${path}.service`) : validateUrl(url, `${path}.url`);
}

function validateUrl(url: string, path: string): FieldError[] {
  const problem = malformed(url);
  if (problem) return [required(path, `url must be a valid URL: parse ${JSON.stringify(url)}: ${problem}${FORM}`)];
  const [, scheme = '', authority = '', , query = '', fragment = ''] = URL_PARTS.exec(url) ?? [];
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  const errors: FieldError[] = [];
  if (scheme.toLowerCase() !== 'https')
    errors.push(invalid(path, scheme.toLowerCase(), `'https' is the only allowed URL scheme${FORM}`));
  if (host === '') errors.push(invalid(path, host, `host must be specified${FORM}`));
  if (at >= 0) errors.push(invalid(path, authority.slice(0, at), 'user information is not permitted in the URL'));
  if (fragment !== '') errors.push(invalid(path, fragment, 'fragments are not permitted in the URL'));
  if (query !== '') errors.push(invalid(path, query, 'query parameters are not permitted in the URL'));
  return errors;
}

/** Why Go's `url.Parse` rejects a URL, in its words; undefined when it does not. */
function malformed(url: string): string | undefined {
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(url)) return 'net/url: invalid control character in URL';
  if (url.startsWith(':')) return 'missing protocol scheme';
  const escape = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(url.split('?')[0] ?? '');
  if (escape) return `invalid URL escape ${JSON.stringify(escape[0])}`;
  const authority = URL_PARTS.exec(url)?.[2] ?? '';
  const port = /:([^:\]]*)$/.exec(authority.slice(authority.lastIndexOf('@') + 1))?.[0];
  return port !== undefined && !/^:\d*$/.test(port) ? `invalid port ${JSON.stringify(port)} after host` : undefined;
}

function validateService(service: ServiceReference | undefined, path: string): FieldError[] {
  if (!service) return [];
  const { name, namespace, port = 0 } = service;
  const errors: FieldError[] = [];
  // Upstream passes the two in the wrong order, and so blames the other field.
  if (namespace === '') errors.push(required(`${path}.name`));
  if (name === '') errors.push(required(`${path}.namespace`));
  const problems = validatePortNumber(port);
  if (problems.length > 0) errors.push(invalid(`${path}.port`, port, `port is not valid: ${problems.join(', ')}`));
  if (service.path) addErrors(errors, validatePath(service.path, `${path}.path`));
  return errors;
}

function validatePath(written: string, path: string): FieldError[] {
  if (written === '/') return [];
  if (written === '//') return [invalid(path, written, 'segment[0] may not be empty')];
  const errors: FieldError[] = [];
  if (!written.startsWith('/')) errors.push(invalid(path, written, "must start with a '/'"));
  const checked = written.slice(1);
  const segments = (checked.endsWith('/') ? checked.slice(0, -1) : checked).split('/');
  for (const [index, segment] of segments.entries()) {
    if (segment === '') errors.push(invalid(path, written, `segment[${index}] may not be empty`));
    else
      for (const problem of validateSubdomainName(segment))
        errors.push(invalid(path, written, `segment[${index}]: ${problem}`));
  }
  return errors;
}

/** The versions of reviews that a webhook may be called with. */
export const REVIEW_VERSIONS: readonly string[] = ['v1', 'v1beta1'];

export const isCallable = (versions: readonly string[]): boolean =>
  REVIEW_VERSIONS.some((known) => versions.includes(known));

/** @param mayBeUnknown whether none of them needs to be one that this server calls webhooks with */
export function validateReviewVersions(versions: readonly string[], path: string, mayBeUnknown = false): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) {
      errors.push(invalid(`${path}[${index}]`, version, 'duplicate version'));
      continue;
    }
    seen.add(version);
    for (const problem of validateLabel1035Name(version)) errors.push(invalid(`${path}[${index}]`, version, problem));
  }
  if (!mayBeUnknown && !isCallable(versions))
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`));
  return errors;
}
