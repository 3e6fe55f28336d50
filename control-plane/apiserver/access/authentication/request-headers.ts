/** Users that a proxy in front names: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy */
import { X509Certificate } from 'node:crypto';
import { msUntil } from '../../../../client/clock.ts';
import { unauthorized } from '../../../../api/machinery/status-error.ts';
import { authenticated, type Credentials, type User } from '../../http/user.ts';
import type { Authenticator } from './authenticator.ts';

export interface RequestHeaderOptions {
  /** Common names of proxies; empty: any that the CA has signed. */
  readonly allowedNames: readonly string[];
  /** Header names; of the user's name and uid the first one that has a value counts, of groups all do. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';

interface Proxy {
  readonly isAllowed: boolean;
  readonly expiresAt: number;
}

/** Only headers that come with the certificate of a proxy count. */
export class RequestHeaderAuthenticator implements Authenticator {
  readonly #options: RequestHeaderOptions;
  /** Keyed by the connection's Buffer of the certificate. */
  readonly #proxies = new WeakMap<Buffer, Proxy>();

  constructor(options: RequestHeaderOptions) {
    const lower = (names: readonly string[]): string[] => names.map((name) => name.toLowerCase());
    this.#options = {
      allowedNames: options.allowedNames,
      usernameHeaders: lower(options.usernameHeaders),
      uidHeaders: lower(options.uidHeaders),
      groupHeaders: lower(options.groupHeaders),
      extraPrefixes: lower(options.extraPrefixes),
    };
  }

  /** Undefined without a proxy's certificate, or without a user's name. Throws a 401 StatusError for a proxy that is not allowed. */
  authenticate({ proxy }: Credentials): User | undefined {
    if (!proxy) return undefined;
    const { usernameHeaders, uidHeaders, groupHeaders } = this.#options;
    const sent = valuesOf(proxy.rawHeaders);
    const first = (names: readonly string[]): string | undefined =>
      names.flatMap((name) => sent.get(name) ?? []).find((value) => value !== '');
    const name = first(usernameHeaders);
    if (name === undefined) return undefined;
    const { isAllowed, expiresAt } = this.#proxyOf(proxy.certificate.raw);
    if (!isAllowed || msUntil(expiresAt) <= 0) throw unauthorized();
    const uid = first(uidHeaders);
    const groups = groupHeaders.flatMap((header) => sent.get(header) ?? []);
    const extra = this.#extraOf(sent);
    return authenticated({
      name,
      ...(uid && { uid }),
      groups,
      ...(extra.size > 0 && { extra: Object.fromEntries(extra) }),
    });
  }

  #extraOf(sent: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
    const extra = new Map<string, string[]>();
    for (const prefix of this.#options.extraPrefixes) {
      for (const [header, values] of sent) {
        if (!header.startsWith(prefix)) continue;
        const key = unescaped(header.slice(prefix.length));
        extra.set(key, [...(extra.get(key) ?? []), ...values]);
      }
    }
    return extra;
  }

  #proxyOf(raw: Buffer): Proxy {
    const known = this.#proxies.get(raw);
    if (known) return known;
    const certificate = new X509Certificate(raw);
    const usages = certificate.keyUsage as readonly string[] | undefined;
    const isClient = !usages || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USAGE);
    const { CN: names } = certificate.toLegacyObject().subject as { CN?: string | string[] };
    const name = [names ?? []].flat().at(-1) ?? '';
    const { allowedNames } = this.#options;
    const isAllowed = isClient && (allowedNames.length === 0 || allowedNames.includes(name));
    const proxy = { isAllowed, expiresAt: certificate.validToDate.getTime() };
    this.#proxies.set(raw, proxy);
    return proxy;
  }
}

/** By lower-case name. Node.js joins repeated headers with commas, which the name of a group may contain. */
function valuesOf(rawHeaders: readonly string[]): Map<string, string[]> {
  const sent = new Map<string, string[]>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    const values = sent.get(name);
    if (values) values.push(rawHeaders[at + 1] ?? '');
    else sent.set(name, [rawHeaders[at + 1] ?? '']);
  }
  return sent;
}

/** Keys are percent-encoded. An invalid encoding is used verbatim, as upstream does. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
