/** `GET /logs/...`: the files under the host's log directory, and nothing else. */
import { constants, createReadStream } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { NodeApiError } from './node-api-error.ts';

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** `path` is what follows `/logs/`, decoded. Links that lead out of `directory` are refused. */
export async function serveLogDirectory(
  directory: string,
  path: string,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const root = await realpath(directory);
  const found = path.includes('\0') ? undefined : await realpath(join(root, path)).catch(() => undefined);
  if (found === undefined || (found !== root && !found.startsWith(root + sep)))
    throw new NodeApiError(404, '404 page not found');
  // Opening a pipe without a writer would block a thread.
  const file = await open(found, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (status.isDirectory()) {
      const entries = await readdir(found, { withFileTypes: true });
      const names = entries.map((entry) => entry.name + (entry.isDirectory() ? '/' : '')).sort();
      const links = names.map((name) => `<a href="${encodeURI(name)}">${escapeHtml(name)}</a>\n`);
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(`<pre>\n${links.join('')}</pre>\n`);
      return;
    }
    // Devices and pipes are not logs, and reading one might never end.
    if (!status.isFile()) throw new NodeApiError(404, '404 page not found');
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    await pipeline(createReadStream(found, { fd: file, autoClose: false }), response, { signal });
  } finally {
    await file.close();
  }
}
