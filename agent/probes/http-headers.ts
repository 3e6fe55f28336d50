/** The header of a probe's or hook's request, as Go's client writes it. Pure. */
import { kubernetesVersion } from '../../api/version.ts';
import { bracketed, type HttpTarget } from './http-target.ts';
import type { HTTPHeader } from '../../api/types/core/v1.gen.ts';

/** Headers that Go's client always writes itself. */
const OWN: ReadonlySet<string> = new Set(['Host', 'User-Agent', 'Content-Length', 'Transfer-Encoding', 'Trailer']);
// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/** Throws for a value that would end its line. `keepsHost`: the Host header that was asked for holds for this target too. */
export function headerLines(
  asked: readonly HTTPHeader[],
  purpose: string,
  { host, port }: HttpTarget,
  keepsHost: boolean,
): string {
  const headers = new Map<string, string[]>();
  for (const { name, value } of asked) {
    if (CONTROL.test(name) || CONTROL.test(value))
      throw new Error(`net/http: invalid header field value for ${JSON.stringify(name)}`);
    const key = canonical(name);
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  const hostAsked = keepsHost ? headers.get('Host')?.[0] : undefined;
  const agent =
    headers.get('User-Agent')?.[0] ?? `kube-${purpose}/${kubernetesVersion.major}.${kubernetesVersion.minor}`;
  const lines = [`Host: ${hostAsked?.split(/[ /]/, 1)[0] || `${bracketed(host)}:${port}`}`];
  // An empty header is left out.
  if (agent) lines.push(`User-Agent: ${agent}`);
  if (!headers.has('Accept')) headers.set('Accept', ['*/*']);
  else if (headers.get('Accept')?.[0] === '') headers.delete('Accept');
  for (const name of [...headers.keys()].sort()) {
    if (!OWN.has(name)) for (const value of headers.get(name) ?? []) lines.push(`${name}: ${value}`);
  }
  if (!headers.has('Upgrade')) lines.push('Connection: close');
  return lines.map((line) => `${line}\r\n`).join('');
}

/** `x-api-key` as `X-Api-Key`. */
const canonical = (name: string): string => name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
