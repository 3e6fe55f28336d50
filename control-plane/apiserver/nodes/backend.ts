/** Where a proxied request goes, and the messages of dial failures. */
import type { Agent } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { certificateProblem } from '../http/certificate-problem.ts';

/** A host:port with the scheme and, for https, what the connection presents and trusts. */
export interface Backend {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** 0 is the scheme's own. */
  readonly port: number;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;
  /** Resolves the host's name, where not just any address of it will do. */
  readonly lookup?: LookupFunction;
  /** Keeps connections for the next request. */
  readonly agent?: Agent;
}

const hostInUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** `path` begins with a slash and is percent-encoded; `query` is without its question mark. */
export function backendUrl({ scheme, host, port }: Backend, path: string, query: string): URL {
  const url = new URL(`${scheme}://${hostInUrl(host)}${port === 0 ? '' : `:${port}`}`);
  url.pathname = path;
  url.search = query;
  return url;
}

/** What the kernel says, in the words of Go's net package, which users search for. */
const KERNEL_WORDS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
  ['ETIMEDOUT', 'i/o timeout'],
  ['ENOTFOUND', 'no such host'],
]);

/** `dial tcp 10.0.0.7:10250: connect: connection refused` */
export function dialFailure({ host, port }: Backend, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = KERNEL_WORDS.get(code);
  if (words !== undefined) return `dial tcp ${hostInUrl(host)}:${port}: ${words}`;
  return certificateProblem(error) ?? (error instanceof Error ? error.message : String(error));
}
