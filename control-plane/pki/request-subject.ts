/**
 * Reads who a certificate request (PKCS #10, RFC 2986) is for. Admission needs no more than that, which is not worth loading a
 * certificate library for; signing verifies the whole.
 */
export interface RequestSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const OBJECT_IDENTIFIER = 0x06;
/** UTF8String, PrintableString, TeletexString, IA5String. */
const TEXTS = new Set([0x0c, 0x13, 0x14, 0x16]);
const COMMON_NAME = '550403';
const ORGANIZATION = '55040a';

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** The DER elements that stand in a row in `bytes`. Throws RangeError when they are cut short. */
function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      length = bytes.readUIntBE(at, size);
      at += size;
    }
    if (at + length > bytes.length) throw new RangeError('cut short');
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

/** The elements of a sequence (or set). Throws RangeError when it is something else. */
function children(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag) throw new RangeError('unexpected element');
  return elements(element.content);
}

function readSubject(der: Buffer): RequestSubject {
  const [request] = elements(der);
  const [info] = children(request, SEQUENCE);
  const [version, name] = children(info, SEQUENCE);
  if (version?.tag !== INTEGER) throw new RangeError('unexpected element');
  const values = new Map<string, string[]>([
    [COMMON_NAME, []],
    [ORGANIZATION, []],
  ]);
  for (const set of children(name, SEQUENCE)) {
    for (const attribute of children(set, SET)) {
      const [type, value] = children(attribute, SEQUENCE);
      if (type?.tag !== OBJECT_IDENTIFIER || !value) throw new RangeError('unexpected element');
      const list = values.get(type.content.toString('hex'));
      if (!list) continue;
      // In any other encoding the text could hide from the reader what the signer puts into the certificate.
      if (!TEXTS.has(value.tag)) throw new RangeError('unexpected text');
      list.push(value.content.toString('utf8'));
    }
  }
  return { commonName: values.get(COMMON_NAME)?.at(-1) ?? '', organizations: values.get(ORGANIZATION) ?? [] };
}

/** The subject of a request in PEM; undefined when it cannot be read. */
export function readRequestSubject(pem: string): RequestSubject | undefined {
  const match = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem);
  if (!match?.[1]) return undefined;
  try {
    return readSubject(Buffer.from(match[1], 'base64'));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
