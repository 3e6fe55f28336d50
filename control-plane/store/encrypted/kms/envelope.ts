/**
 * What is stored of a value that a key management service protects: upstream's `EncryptedObject` (kmsv2/v2/api.proto), in protobuf, behind
 * `k8s:enc:kms:v2:NAME:`. https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/
 */
import { validateSubdomainName } from '../../../../api/machinery/names.ts';

/** From what the plugin decrypts to the key of the value. */
export type SourceType = typeof AES_GCM_KEY | typeof HKDF_SEED;
/** It is the key itself. */
export const AES_GCM_KEY = 0;
/** It is a seed, from which a key of its own is derived for each value. */
export const HKDF_SEED = 1;

/** What the plugin has made of a key or seed. It is stored with each value, and asked for only once. */
export interface EncryptedSource {
  readonly type: SourceType;
  readonly ciphertext: Buffer;
  /** Of the key in the service. */
  readonly keyId: string;
  /** What the plugin wants back when it is to decrypt. */
  readonly annotations: ReadonlyMap<string, Buffer>;
}

export interface Envelope {
  readonly data: Buffer;
  readonly source: EncryptedSource;
}

const MAX_KEY_ID_BYTES = 1024;
const MAX_SOURCE_BYTES = 1024;
const MAX_ANNOTATIONS_BYTES = 32 * 1024;

/** Why it cannot be stored, or is none; undefined when nothing is wrong. */
export function sourceProblem({ ciphertext, keyId, annotations }: Omit<EncryptedSource, 'type'>): string | undefined {
  if (ciphertext.length === 0) return 'encrypted DEK source is empty';
  if (ciphertext.length > MAX_SOURCE_BYTES)
    return `encrypted DEK source is ${ciphertext.length} bytes, which exceeds the max size of ${MAX_SOURCE_BYTES}`;
  const problem = keyIdProblem(keyId);
  if (problem !== undefined) return problem;
  let size = 0;
  for (const [key, value] of annotations) {
    const [bad] = validateSubdomainName(key);
    if (bad !== undefined || !key.includes('.')) return 'annotations must have fully qualified domain names as keys';
    size += Buffer.byteLength(key) + value.length;
  }
  return size > MAX_ANNOTATIONS_BYTES
    ? `total size of annotations is ${size}, which exceeds the max size of ${MAX_ANNOTATIONS_BYTES}`
    : undefined;
}

export function keyIdProblem(keyId: string): string | undefined {
  const length = Buffer.byteLength(keyId);
  if (length === 0) return 'keyID is empty';
  return length > MAX_KEY_ID_BYTES
    ? `keyID is ${length} bytes, which exceeds the max size of ${MAX_KEY_ID_BYTES}`
    : undefined;
}

/** Unambiguous, for maps. Annotations count, whatever their order. */
export function sourceKey({ type, ciphertext, keyId, annotations }: EncryptedSource): string {
  const sorted = [...annotations].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    type,
    ciphertext.toString('base64'),
    keyId,
    sorted.map(([key, value]) => [key, value.toString('base64')]),
  ]);
}

/** Numbers of fields. All of them but the type are length-delimited. */
const DATA = 1;
const KEY_ID = 2;
const SOURCE = 3;
const ANNOTATIONS = 4;
const TYPE = 5;
const VARINT = 0;
const DELIMITED = 2;
const MAX_VARINT_BYTES = 10;

const tagOf = (field: number, wire: number): number => (field << 3) | wire;

/** All of the message but the data, which comes first: it is the same for all values. */
export function encodeSource({ type, ciphertext, keyId, annotations }: EncryptedSource): Buffer {
  const sorted = [...annotations].sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.concat([
    delimited(KEY_ID, Buffer.from(keyId)),
    delimited(SOURCE, ciphertext),
    ...sorted.map(([key, value]) =>
      delimited(ANNOTATIONS, Buffer.concat([delimited(1, Buffer.from(key)), delimited(2, value)])),
    ),
    ...(type === AES_GCM_KEY ? [] : [Buffer.from([tagOf(TYPE, VARINT), type])]),
  ]);
}

/** @param source of `encodeSource` */
export const encodeEnvelope = (data: Buffer, source: Buffer): Buffer => Buffer.concat([delimited(DATA, data), source]);

function delimited(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tagOf(field, DELIMITED)]), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}

/** Throws an Error for what is none. */
export function decodeEnvelope(message: Buffer): Envelope {
  let [data, ciphertext, keyId]: [Buffer, Buffer, string] = [Buffer.alloc(0), Buffer.alloc(0), ''];
  let type: number = AES_GCM_KEY;
  const annotations = new Map<string, Buffer>();
  for (const { field, bytes, number } of fieldsOf(message)) {
    if (field === TYPE && number !== undefined) type = number;
    if (!bytes) continue;
    if (field === DATA) data = bytes;
    else if (field === KEY_ID) keyId = bytes.toString();
    else if (field === SOURCE) ciphertext = bytes;
    else if (field === ANNOTATIONS) {
      const entry = new Map([...fieldsOf(bytes)].map((one) => [one.field, one.bytes]));
      annotations.set(entry.get(1)?.toString() ?? '', entry.get(2) ?? Buffer.alloc(0));
    }
  }
  if (type !== AES_GCM_KEY && type !== HKDF_SEED) throw new Error(`unknown encryptedDEKSourceType: ${type}`);
  if (data.length === 0) throw new Error('encrypted data is empty');
  const source: EncryptedSource = { type, ciphertext, keyId, annotations };
  const problem = sourceProblem(source);
  if (problem !== undefined) throw new Error(problem);
  return { data, source };
}

interface Field {
  readonly field: number;
  /** Of a varint. */
  readonly number?: number;
  /** Of what is length-delimited. */
  readonly bytes?: Buffer;
}

const malformed = (): Error => new Error('the stored data is no EncryptedObject');

function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = message[at++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw malformed();
  };
  while (at < message.length) {
    const tag = next();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === VARINT) yield { field, number: next() };
    else if (wire === DELIMITED) {
      const end = next() + at;
      if (end > message.length) throw malformed();
      yield { field, bytes: message.subarray(at, end) };
      at = end;
    } else throw malformed();
  }
}
