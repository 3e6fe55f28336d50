/**
 * Encrypts a file so that it can be written and read as a stream: AES-256-GCM in chunks, each with its number and whether it is the last
 * one in the nonce, so that chunks which are missing, moved or cut off are noticed (the STREAM construction,
 * https://eprint.iacr.org/2015/189). Each file has a key of its own, made of a random salt and a passphrase (scrypt, RFC 7914) or the
 * bytes of a key file (HKDF, RFC 5869).
 */
import { createCipheriv, createDecipheriv, hkdf, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { isJsonObject, own } from '../../../api/machinery/own.ts';
import { BackupError } from '../backup-error.ts';
import { ByteReader } from '../../../daemon/tar/byte-reader.ts';

export type BackupSecret = { readonly passphrase: string } | { readonly key: Buffer };

/** What an encrypted file begins with; a line of JSON follows. */
export const ENCRYPTED_MAGIC = Buffer.from('kedge-backup-encrypted-1\n');
export const KEY_BYTES = 32;

const SALT_BYTES = 32;
const PREFIX_BYTES = 7;
const TAG_BYTES = 16;
const CHUNK_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 1024;
/** A hundred milliseconds and 64 MiB per guess. */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1 } as const;
/** A file from elsewhere does not decide how much memory and time reading it costs. */
const MAX_SCRYPT_BYTES = 256 * 2 ** 20;
const MAX_SCRYPT_P = 4;
const MAX_CHUNKS = 2 ** 32;

interface EnvelopeHeader {
  readonly cipher: 'aes-256-gcm';
  readonly kdf: 'scrypt' | 'hkdf-sha256';
  readonly salt: string;
  readonly prefix: string;
  readonly N?: number;
  readonly r?: number;
  readonly p?: number;
}

const derived = promisify<string, Buffer, number, object, Buffer>(scrypt);
const expanded = promisify(hkdf);

async function fileKey(secret: BackupSecret, { kdf, salt, N = 0, r = 0, p = 0 }: EnvelopeHeader): Promise<Buffer> {
  const salted = Buffer.from(salt, 'base64');
  if ('passphrase' in secret) {
    if (kdf !== 'scrypt') throw new BackupError('the backup is encrypted with a key file, not with a passphrase');
    return derived(secret.passphrase.normalize('NFKC'), salted, KEY_BYTES, { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES });
  }
  if (kdf !== 'hkdf-sha256') throw new BackupError('the backup is encrypted with a passphrase, not with a key file');
  return Buffer.from(await expanded('sha256', secret.key, salted, 'kedge backup', KEY_BYTES));
}

function nonceOf(prefix: Buffer, number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(PREFIX_BYTES + 5);
  prefix.copy(nonce);
  nonce.writeUInt32BE(number, PREFIX_BYTES);
  nonce.writeUInt8(isLast ? 1 : 0, PREFIX_BYTES + 4);
  return nonce;
}

export async function* encrypt(plain: AsyncIterable<Buffer>, secret: BackupSecret): AsyncGenerator<Buffer> {
  const prefix = randomBytes(PREFIX_BYTES);
  const header: EnvelopeHeader = {
    cipher: 'aes-256-gcm',
    salt: randomBytes(SALT_BYTES).toString('base64'),
    prefix: prefix.toString('base64'),
    ...('passphrase' in secret ? { kdf: 'scrypt', ...SCRYPT } : { kdf: 'hkdf-sha256' }),
  };
  const start = Buffer.concat([ENCRYPTED_MAGIC, Buffer.from(`${JSON.stringify(header)}\n`)]);
  const key = await fileKey(secret, header);
  yield start;
  const reader = new ByteReader(plain);
  let chunk = await reader.take(CHUNK_BYTES);
  for (let number = 0; ; number++) {
    if (number >= MAX_CHUNKS) throw new BackupError('the backup is too large to be encrypted');
    // Only a chunk after which nothing comes is the last one.
    const next = chunk.length < CHUNK_BYTES ? undefined : await reader.take(CHUNK_BYTES);
    const isLast = next === undefined || next.length === 0;
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(prefix, number, isLast)).setAAD(start);
    yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
    if (isLast) return;
    chunk = next;
  }
}

/** @param stream from its beginning, with the magic. Throws BackupError for another secret, and for changed or missing bytes. */
export async function* decrypt(stream: AsyncIterable<Buffer>, secret: BackupSecret): AsyncGenerator<Buffer> {
  const reader = new ByteReader(stream);
  const { start, header } = await readHeader(reader);
  const key = await fileKey(secret, header);
  const prefix = Buffer.from(header.prefix, 'base64');
  const sealed = CHUNK_BYTES + TAG_BYTES;
  let chunk = await reader.take(sealed);
  for (let number = 0; ; number++) {
    const next = chunk.length < sealed ? undefined : await reader.take(sealed);
    const isLast = next === undefined || next.length === 0;
    yield opened(chunk, key, nonceOf(prefix, number, isLast), start, number === 0);
    if (isLast) return;
    chunk = next;
  }
}

function opened(sealed: Buffer, key: Buffer, nonce: Buffer, context: Buffer, isFirst: boolean): Buffer {
  try {
    const end = sealed.length - TAG_BYTES;
    if (end < 0) throw new Error('it is cut off');
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(context).setAuthTag(sealed.subarray(end));
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch (error) {
    const why = isFirst
      ? 'the passphrase or key is another one, or the backup is damaged'
      : 'the backup is damaged or incomplete: what was encrypted has been changed or cut off';
    throw new BackupError(why, { cause: error });
  }
}

async function readHeader(reader: ByteReader): Promise<{ start: Buffer; header: EnvelopeHeader }> {
  const parts = [await reader.take(ENCRYPTED_MAGIC.length)];
  for (let length = 0; length < MAX_HEADER_BYTES; length++) {
    const byte = await reader.take(1);
    parts.push(byte);
    if (byte.length === 0 || byte[0] === 0x0a) break;
  }
  const start = Buffer.concat(parts);
  const header = parsed(start.subarray(ENCRYPTED_MAGIC.length).toString());
  if (!header) throw new BackupError('the backup is damaged: it does not say how it is encrypted');
  return { start, header };
}

function parsed(text: string): EnvelopeHeader | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isJsonObject(value)) return undefined;
  const [cipher, kdf, salt, prefix] = ['cipher', 'kdf', 'salt', 'prefix'].map((name) => own(value, name));
  if (cipher !== 'aes-256-gcm' || typeof salt !== 'string' || typeof prefix !== 'string') return undefined;
  if (Buffer.from(salt, 'base64').length !== SALT_BYTES) return undefined;
  if (Buffer.from(prefix, 'base64').length !== PREFIX_BYTES) return undefined;
  if (kdf === 'hkdf-sha256') return { cipher, kdf, salt, prefix };
  const [N, r, p] = ['N', 'r', 'p']
    .map((name) => own(value, name))
    .map((one) => (Number.isInteger(one) ? Number(one) : 0));
  if (kdf !== 'scrypt' || !N || !r || !p || r < 1 || p < 1 || p > MAX_SCRYPT_P) return undefined;
  if (N < 2 || !Number.isInteger(Math.log2(N)) || 128 * N * r > MAX_SCRYPT_BYTES) return undefined;
  return { cipher, kdf, salt, prefix, N, r, p };
}
