/** URLs: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library */
import { ValueList, ValueMap } from '../collections.ts';
import { overload as declare, type Overload } from '../environment.ts';
import { type CelValue, Extension, Failure } from '../values.ts';
import { kubernetesTypes, URL_TYPE } from './kubernetes-types.ts';
import { parseUrl, type UrlParts } from './url-text.ts';

class UrlValue extends Extension {
  readonly celType = URL_TYPE;
  readonly text: string;
  readonly parts: UrlParts;
  constructor(text: string, parts: UrlParts) {
    super();
    this.text = text;
    this.parts = parts;
  }
  equals(other: Extension): boolean {
    return other instanceof UrlValue && this.text === other.text;
  }
  toPlain(): string {
    return this.text;
  }
}

function url(text: CelValue | undefined): CelValue {
  const parts = parseUrl(text as string);
  if (parts instanceof Failure) return new Failure(`URL parse error during conversion from string: ${parts.message}`);
  return new UrlValue(text as string, parts);
}

/** Undefined for an escape that is none: such a parameter is left out. */
function unescape(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}

function query(text: string): ValueMap {
  const values = new Map<string, string[]>();
  for (const parameter of text.split('&')) {
    const equal = parameter.indexOf('=');
    const name = unescape(equal < 0 ? parameter : parameter.slice(0, equal));
    const value = unescape(equal < 0 ? '' : parameter.slice(equal + 1));
    if (parameter === '' || parameter.includes(';') || name === undefined || value === undefined) continue;
    const known = values.get(name);
    if (known) known.push(value);
    else values.set(name, [value]);
  }
  const map = new ValueMap();
  for (const [name, list] of values) map.insert(name, new ValueList(list));
  return map;
}

const overload = (signature: string, call: Overload['call']): Overload => declare(signature, call, kubernetesTypes);
const parts = (value: CelValue | undefined): UrlParts => (value as UrlValue).parts;

export const urlLibrary = (): Overload[] => [
  overload('url(string): kubernetes.URL', ([text]) => url(text)),
  overload('isURL(string): bool', ([text]) => url(text) instanceof UrlValue),
  overload('kubernetes.URL:getScheme(): string', ([value]) => parts(value).scheme),
  overload('kubernetes.URL:getHost(): string', ([value]) => parts(value).host),
  overload('kubernetes.URL:getHostname(): string', ([value]) => parts(value).hostname),
  overload('kubernetes.URL:getPort(): string', ([value]) => parts(value).port),
  overload('kubernetes.URL:getEscapedPath(): string', ([value]) => parts(value).escapedPath),
  overload('kubernetes.URL:getQuery(): map(string, list(string))', ([value]) => query(parts(value).query)),
];
