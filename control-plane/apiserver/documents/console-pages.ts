/** `/console/`: the files of the web console (docs/console.md). They are public; what they show is read with the user's own token. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { acceptsGzip } from '../http/compression.ts';
import type { AuthorizedRequest } from '../admission/pipeline.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import { requireGet } from './paths.ts';

export const CONSOLE_PATH = '/console/';

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);
/** The build names a file after its content when other files load it. */
const NAMED_BY_CONTENT = /-[A-Z0-9]{8}\.(js|css)$/;

/**
 * Nothing is loaded from elsewhere or written into the page, text becomes no markup (Trusted Types), and no other page frames it.
 * https://www.w3.org/TR/CSP3/
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

interface ConsoleFile {
  readonly file: string;
  readonly contentType: string;
  readonly etag: string;
  /** Whether a copy in gzip lies beside it. */
  readonly isCompressed: boolean;
}

/**
 * Serves the files of a directory, of which only names and digests are kept in memory: a path is looked up among them and never
 * becomes a name of a file. Rejects when the directory cannot be read.
 */
export async function consolePages(directory: string): Promise<PathHandler> {
  const files = await readFiles(directory);
  return (exchange) => {
    const { path: asked } = exchange.info;
    if (asked !== CONSOLE_PATH && `${asked}/` === CONSOLE_PATH) return redirect(exchange);
    if (!asked.startsWith(CONSOLE_PATH)) return false;
    const file = files.get(asked.slice(CONSOLE_PATH.length) || 'index.html');
    return file ? send(exchange, file) : false;
  };
}

async function readFiles(directory: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const names = await readdir(directory);
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const contentType = CONTENT_TYPES.get(path.extname(name));
    if (contentType === undefined) continue;
    const file = path.join(directory, name);
    const digest = createHash('sha256').update(await readFile(file));
    files.set(name, {
      file,
      contentType,
      etag: digest.digest('base64url'),
      isCompressed: names.includes(`${name}.gz`),
    });
  }
  return files;
}

/** The files of the page are relative to the slash. */
function redirect(exchange: AuthorizedRequest): boolean {
  requireGet(exchange.info);
  exchange.write(308, 'text/plain; charset=utf-8', '', { ...SECURITY_HEADERS, Location: CONSOLE_PATH });
  return true;
}

async function send(exchange: AuthorizedRequest, { file, contentType, etag, isCompressed }: ConsoleFile) {
  requireGet(exchange.info);
  const encoded = isCompressed && acceptsGzip(exchange.header('accept-encoding'));
  const tag = `"${etag}${encoded ? '-gzip' : ''}"`;
  const headers = {
    ...SECURITY_HEADERS,
    'Cache-Control': NAMED_BY_CONTENT.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache',
    ETag: tag,
    Vary: 'Accept-Encoding',
    ...(encoded && { 'Content-Encoding': 'gzip' }),
  };
  if (isAmong(tag, exchange.header('if-none-match'))) {
    exchange.start(304, contentType, headers);
    exchange.response.end();
  } else {
    exchange.write(200, contentType, await readFile(encoded ? `${file}.gz` : file), headers);
  }
  return true;
}

/** Whether an If-None-Match header has the tag (RFC 9110, 13.1.2). */
const isAmong = (tag: string, header: string | undefined): boolean =>
  header?.split(',').some((one) => one.trim().replace(/^W\//, '') === tag) ?? false;
