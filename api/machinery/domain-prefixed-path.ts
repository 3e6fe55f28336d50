import { type FieldError, invalid } from './field-error.ts';
import { validateSubdomainName } from './names.ts';

const HTTP_PATH = String.raw`[A-Za-z0-9/\-._~%!$&'()*+,;=:]+`;
const HTTP_PATH_SYNTAX = new RegExp(`^${HTTP_PATH}$`);

/** A name that a domain sets apart, as `example.com/ingress`. */
export function validateDomainPrefixedPath(text: string, at: string): FieldError[] {
  const slash = text.indexOf('/');
  const [host, path] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash <= 0 || !path) return [invalid(at, text, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const errors = validateSubdomainName(host).map((problem) => invalid(at, host, problem));
  if (!HTTP_PATH_SYNTAX.test(path)) {
    errors.push(invalid(at, path, `Invalid path (regex used for validation is '${HTTP_PATH}')`));
  }
  return errors;
}
