/**
 * Exports of NFS servers as mount.nfs(8) takes them. Servers and paths come from whoever may create pods: neither may become an option,
 * another server or another place of the export.
 */
import { isIPv6 } from 'node:net';

/** A name of DNS or an IPv4 address; a leading dash would be an option. */
const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/;
/** Of a link-local address: `fe80::1%eth0`. */
const ZONE = /^[A-Za-z0-9_.-]{1,15}$/;

/** No line of the mount table or of a log holds more than one. */
// eslint-disable-next-line no-control-regex -- control characters are what it is about
export const CONTROL = /[\u0000-\u001f\u007f]/;

/** What the kernel takes as a path, and as the options of a mount. Longer ones would not even fit into the arguments of a program. */
const MAX_BYTES = 4096;

function hostOf(server: string): string {
  const bare = server.startsWith('[') && server.endsWith(']') ? server.slice(1, -1) : server;
  if (isIPv6(bare)) {
    const [, zone] = bare.split('%');
    if (zone === undefined || ZONE.test(zone)) return `[${bare}]`;
  }
  if (HOST.test(server)) return server;
  throw new Error(`${quoted(server)} is not the name or address of an NFS server`);
}

/** For messages, which are logged: what is wrong may be of any length. */
const quoted = (text: string): string => JSON.stringify(text.length > 253 ? `${text.slice(0, 253)}...` : text);

/**
 * The path of an export, with one slash in front: `nfs://host` would be a URL. Throws for one that is relative, has steps back or is longer
 * than any path.
 */
export function exportPath(path: string): string {
  if (Buffer.byteLength(path) > MAX_BYTES)
    throw new Error(`the NFS path ${quoted(path)} has more than ${MAX_BYTES} bytes`);
  if (!path.startsWith('/')) throw new Error(`the NFS path ${quoted(path)} is not absolute`);
  if (CONTROL.test(path)) throw new Error(`the NFS path ${quoted(path)} has control characters`);
  if (path.split('/').includes('..')) throw new Error(`the NFS path ${quoted(path)} must not contain ".."`);
  return path.replace(/^\/+/, '/');
}

/** `server:/path`. Throws for what is no server or path. */
export const nfsSource = ({ server, path }: { readonly server: string; readonly path: string }): string =>
  `${hostOf(server)}:${exportPath(path)}`;

/**
 * The options of a mount, joined. What is said last holds: a mount in the background would let containers start without the volume, and
 * a volume that is read-only stays so. Throws for what is no list of options.
 */
export function nfsOptions(options: readonly string[], isReadOnly: boolean): string {
  const wrong = options.find((option) => option === '' || CONTROL.test(option));
  if (wrong !== undefined) throw new Error(`${quoted(wrong)} is not a mount option`);
  const joined = [...options, 'fg', ...(isReadOnly ? ['ro'] : [])].join(',');
  if (Buffer.byteLength(joined) > MAX_BYTES) throw new Error(`the mount options have more than ${MAX_BYTES} bytes`);
  return joined;
}
