/** Text with variables, as annotations write it: `https://new.example$request_uri`, `/api/$2`. */
import { AnnotationError } from './annotation-error.ts';

export type TextVariable =
  'scheme' | 'host' | 'request_uri' | 'escaped_request_uri' | 'uri' | 'args' | 'remote_addr' | 'server_port';
export type TextPart = string | { readonly variable: TextVariable } | { readonly capture: number };
export type TextTemplate = readonly TextPart[];

const VARIABLES: ReadonlyMap<string, TextVariable> = new Map([
  ['scheme', 'scheme'],
  ['pass_access_scheme', 'scheme'],
  ['host', 'host'],
  ['best_http_host', 'host'],
  ['http_host', 'host'],
  ['request_uri', 'request_uri'],
  ['escaped_request_uri', 'escaped_request_uri'],
  ['uri', 'uri'],
  ['args', 'args'],
  ['query_string', 'args'],
  ['remote_addr', 'remote_addr'],
  ['server_port', 'server_port'],
  ['pass_port', 'server_port'],
]);

/** The characters of RFC 3986, without `$`, and those that UTF-8 takes in an address as people type it are not among them. */
const URL_TEXT = /^[A-Za-z0-9\-._~:/?#[\]@!&'()*+,;=%]*$/;
const VARIABLE = /\$\{?([a-z_]+|\d)\}?/g;
const MAX_TEMPLATE = 2048;

/** Parses a URL, or a part of one, with `$NAME` variables. `captures`: with `$1` to `$9`, too. Throws AnnotationError. */
export function parseTemplate(text: string, { captures = false } = {}): TextTemplate {
  if (text.length > MAX_TEMPLATE) throw new AnnotationError(`is longer than ${MAX_TEMPLATE} characters`);
  const parts: TextPart[] = [];
  let end = 0;
  const addText = (literal: string): void => {
    if (literal.includes('$')) throw new AnnotationError('has a $ that names no variable');
    if (!URL_TEXT.test(literal)) throw new AnnotationError('has characters that no URL has');
    if (literal !== '') parts.push(literal);
  };
  for (const match of text.matchAll(VARIABLE)) {
    addText(text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, name = ''] = match;
    const variable = VARIABLES.get(name);
    if (variable !== undefined) parts.push({ variable });
    else if (captures && /^[1-9]$/.test(name)) parts.push({ capture: Number(name) });
    else throw new AnnotationError(`uses $${name}, which is not supported`);
  }
  addText(text.slice(end));
  return parts;
}
