/**
 * DNS messages, as far as a server looks into them: RFC 1035, with EDNS of RFC 6891. What is asked is read byte by byte within bounds,
 * and goes on and comes back as it was sent; what this server says of its own is encoded by dns-packet.
 */
import { AUTHORITATIVE_ANSWER, encode, RECURSION_AVAILABLE, RECURSION_DESIRED, type Answer } from 'dns-packet';

/** The largest message over UDP without EDNS, and the largest that crosses networks without fragments: https://www.dnsflagday.net/2020/ */
const UDP_BYTES = 512;
const EDNS_BYTES = 1232;
const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
/** Nobody asks with more; what is kept of queries is bounded by it. */
const MAX_QUERY_BYTES = 4096;
/** Records behind the question: nobody sends more than EDNS and a signature. */
const MAX_ADDITIONAL = 4;
const POINTER = 0xc0;
/** The name in the question: it is always there, and answers point to it. */
const QUESTION_POINTER = Buffer.from([POINTER, HEADER_BYTES]);

export const Rcode = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];
/** An extended code: its upper bits are in the OPT record. */
const BAD_VERSION = 16;

export const Type = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
export const CLASS_IN = 1;
const CLASS_ANY = 255;

const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const OPCODE_BITS = 0x7800;
/** Of a query, what its response repeats: whether recursion is desired and checking disabled. */
const REPEATED_BITS = 0x0110;

/** A flag of EDNS. */
const DNSSEC_OK = 0x8000;

interface Edns {
  readonly payloadBytes: number;
  readonly version: number;
  /** Of them a response repeats DO (RFC 3225, section 3). */
  readonly flags: number;
}

export interface Query {
  /** As it came. */
  readonly bytes: Buffer;
  /** With the letters as they came, for what is said about the name. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly isInternet: boolean;
  /** The offset behind the question. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

/** Why a message is not a query that can be answered. */
export interface Malformed {
  readonly bytes: Buffer;
  readonly rcode: Rcode;
}

/** The owner of a record: a name, or that of the question. */
export type Owned = Answer & { readonly ofQuestion?: boolean };

export interface Reply {
  readonly rcode: Rcode;
  readonly answers: readonly Owned[];
  readonly authorities?: readonly Owned[];
  readonly additionals?: readonly Owned[];
}

/** Undefined for what is to be met with silence: no message at all, and responses, which two servers could send each other for ever. */
export function readQuery(bytes: Buffer): Query | Malformed | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const flags = bytes.readUInt16BE(2);
  if (flags & RESPONSE) return undefined;
  if (flags & OPCODE_BITS) return { bytes, rcode: Rcode.notImplemented };
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  const malformed = { bytes, rcode: Rcode.formatError };
  if (bytes.length > MAX_QUERY_BYTES) return malformed;
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additionals! > MAX_ADDITIONAL) return malformed;
  const name = readLabels(bytes, HEADER_BYTES);
  if (!name || name.end + 4 > bytes.length) return malformed;
  const questionEnd = name.end + 4;
  const edns = readEdns(bytes, questionEnd, additionals!);
  if (edns === 'malformed') return malformed;
  const inClass = bytes.readUInt16BE(name.end + 2);
  return {
    ...{ bytes, labels: name.labels, type: bytes.readUInt16BE(name.end), questionEnd, edns },
    isInternet: inClass === CLASS_IN || inClass === CLASS_ANY,
  };
}

export const isMalformed = (message: Query | Malformed): message is Malformed => 'rcode' in message;

/** A name without pointers: there is nothing before a question that it could point to. */
function readLabels(bytes: Buffer, start: number): { readonly labels: string[]; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length >= 64) return undefined;
    at++;
    if (length === 0) return at - start > MAX_NAME_BYTES ? undefined : { labels, end: at };
    if (at + length > bytes.length || at + length - start > MAX_NAME_BYTES) return undefined;
    labels.push(bytes.toString('latin1', at, at + length));
    at += length;
  }
}

/** The offset behind a name, which may end with a pointer; undefined beyond the message. */
function skipName(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length;) {
    const length = bytes[at]!;
    if (length === 0) return at + 1;
    if (length >= POINTER) return at + 2;
    at += length + 1;
  }
  return undefined;
}

interface RecordAt {
  readonly start: number;
  readonly type: number;
  /** Where the class is; TTL, length and data follow. */
  readonly fixed: number;
  readonly end: number;
}

/** @returns undefined beyond the message */
function readRecord(bytes: Buffer, start: number): RecordAt | undefined {
  const nameEnd = skipName(bytes, start);
  if (nameEnd === undefined || nameEnd + 10 > bytes.length) return undefined;
  const end = nameEnd + 10 + bytes.readUInt16BE(nameEnd + 8);
  if (end > bytes.length) return undefined;
  return { start, type: bytes.readUInt16BE(nameEnd), fixed: nameEnd + 2, end };
}

function readEdns(bytes: Buffer, start: number, count: number): Edns | undefined | 'malformed' {
  let found: Edns | undefined;
  let at = start;
  for (let index = 0; index < count; index++) {
    const record = readRecord(bytes, at);
    if (!record) return 'malformed';
    at = record.end;
    if (record.type !== Type.OPT) continue;
    // One, of the root.
    if (found || bytes[record.start] !== 0) return 'malformed';
    const { fixed } = record;
    found = {
      payloadBytes: bytes.readUInt16BE(fixed),
      version: bytes[fixed + 3]!,
      flags: bytes.readUInt16BE(fixed + 4),
    };
  }
  return found;
}

/** The smallest: an IPv4 address of the name in the question. */
const SMALLEST_RECORD_BYTES = 16;

/** No more than so many records have room, and one that says that there are more. */
export const recordsWithin = (limitBytes: number): number => Math.ceil(limitBytes / SMALLEST_RECORD_BYTES) + 1;

const MAX_LABEL_BYTES = 63;

/** Whether a name can be in a message: the API admits longer labels in some fields, and an encoder would turn them into something else. */
export const isEncodable = (name: string): boolean =>
  Buffer.byteLength(name) <= MAX_NAME_BYTES - 2 &&
  name
    .replace(/\.$/, '')
    .split('.')
    .every((label) => label !== '' && Buffer.byteLength(label) <= MAX_LABEL_BYTES);

/** Whether a record that another server has sent can go into a message again. */
export function canBeEncoded(record: Answer): boolean {
  const data: unknown = 'data' in record ? record.data : undefined;
  const target =
    record.type === 'CNAME'
      ? record.data
      : record.type === 'MX'
        ? record.data.exchange
        : record.type === 'SRV'
          ? record.data.target
          : undefined;
  return data !== undefined && [record.name, target ?? record.name].every((name) => name === '.' || isEncodable(name));
}

/** How large a response over UDP may be. */
export const udpLimit = ({ edns }: Query): number =>
  edns ? Math.min(Math.max(edns.payloadBytes, UDP_BYTES), EDNS_BYTES) : UDP_BYTES;

/**
 * @param limitBytes of a larger one there is as much as has room, and that there is more: the client asks again over TCP, or makes do
 * with it (musl before 1.2.4 knows no TCP). It costs no more than what has room, however many records there are.
 */
export function encodeReply(query: Query, reply: Reply, limitBytes: number): Buffer {
  const { rcode, answers, authorities = [], additionals = [] } = reply;
  const question = query.bytes.subarray(HEADER_BYTES, query.questionEnd);
  const options = optionsOf(query, 0);
  const parts = [question];
  let room = limitBytes - HEADER_BYTES - question.length - (options[0]?.length ?? 0);
  const add = (records: readonly Owned[]): number => {
    for (const [index, record] of records.entries()) {
      const bytes = encodeRecord(record);
      if (bytes.length > room) return index;
      room -= bytes.length;
      parts.push(bytes);
    }
    return records.length;
  };
  const answered = add(answers);
  const said = answered < answers.length ? 0 : add(authorities);
  const isCut = answered < answers.length || said < authorities.length;
  // What comes along is left out without a word, but whole: a part would be taken for all (RFC 2181, section 9).
  const saidParts = parts.length;
  const isWhole = !isCut && add(additionals) === additionals.length;
  if (!isWhole) parts.length = saidParts;
  const along = isWhole ? additionals.length : 0;
  const header = headOf(query.bytes, AUTHORITATIVE_ANSWER | (isCut ? TRUNCATED : 0), rcode);
  return withCounts(Buffer.concat([header, ...parts, ...options]), [1, answered, said, along + options.length]);
}

/** A response without records, not authoritative. */
export function encodeFailure(message: Query | Malformed, rcode: Rcode): Buffer {
  const header = headOf(message.bytes, 0, rcode);
  if (isMalformed(message)) return withCounts(header, [0, 0, 0, 0]);
  const question = message.bytes.subarray(HEADER_BYTES, message.questionEnd);
  const options = optionsOf(message, 0);
  return withCounts(Buffer.concat([header, question, ...options]), [1, 0, 0, options.length]);
}

/** For a version of EDNS that nobody has specified. */
export function encodeBadVersion(query: Query): Buffer {
  const question = query.bytes.subarray(HEADER_BYTES, query.questionEnd);
  const options = optionsOf(query, BAD_VERSION >> 4);
  return withCounts(Buffer.concat([headOf(query.bytes, 0, Rcode.ok), question, ...options]), [1, 0, 0, options.length]);
}

/** As many of the answers of a response as have room for a client for which all of it is too large. */
export function truncated(query: Query, response: Buffer, limitBytes: number): Buffer {
  const options = optionsOf(query, 0);
  const room = limitBytes - (options[0]?.length ?? 0);
  const count = response.readUInt16BE(6);
  let [answered, end] = [0, query.questionEnd];
  for (; answered < count; answered++) {
    const record = readRecord(response, end);
    if (!record || record.end > room) break;
    end = record.end;
  }
  const cut = Buffer.concat([response.subarray(0, end), ...options]);
  cut.writeUInt16BE(cut.readUInt16BE(2) | TRUNCATED, 2);
  return withCounts(cut, [1, answered, 0, options.length]);
}

function headOf(query: Buffer, flags: number, rcode: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(RESPONSE | RECURSION_AVAILABLE | flags | (query.readUInt16BE(2) & REPEATED_BITS) | rcode, 2);
  return header;
}

function withCounts(bytes: Buffer, counts: readonly number[]): Buffer {
  counts.forEach((count, index) => bytes.writeUInt16BE(count, 4 + 2 * index));
  return bytes;
}

/** The OPT record of the response to a query that has one: RFC 6891, section 6.1. */
function optionsOf({ edns }: Query, upperRcode: number): Buffer[] {
  if (!edns) return [];
  const record = Buffer.alloc(11);
  record.writeUInt16BE(Type.OPT, 1);
  record.writeUInt16BE(EDNS_BYTES, 3);
  record[5] = upperRcode;
  record.writeUInt16BE(edns.flags & DNSSEC_OK, 7);
  return [record];
}

function encodeRecord({ ofQuestion = false, ...answer }: Owned): Buffer {
  const alone = encode({ type: 'response', answers: [ofQuestion ? { ...answer, name: '.' } : answer] });
  const record = alone.subarray(HEADER_BYTES);
  // The name of the root is one byte.
  return ofQuestion ? Buffer.concat([QUESTION_POINTER, record.subarray(1)]) : record;
}

/** A query of this server's own; its id is chosen when it is sent. */
export function encodeQuestion(labels: readonly string[], type: number): Buffer {
  const name = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(RECURSION_DESIRED, 2);
  const rest = Buffer.alloc(5);
  rest.writeUInt16BE(type, 1);
  rest.writeUInt16BE(CLASS_IN, 3);
  return withCounts(Buffer.concat([header, ...name, rest]), [1, 0, 0, 0]);
}

/** A response of another server to a query that was sent to it. */
export interface Response {
  readonly rcode: number;
  readonly isTruncated: boolean;
  /** Where the TTLs of its records are, those of OPT left out. */
  readonly ttlOffsets: readonly number[];
  /** How many seconds it is true; undefined when it does not say. */
  readonly ttlSeconds: number | undefined;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/** Whether both ask the same, in whatever letters: some servers do not repeat those that they were asked with. */
function isSameQuestion(a: Buffer, b: Buffer, end: number): boolean {
  const nameEnd = end - 4;
  if (a.compare(b, nameEnd, end, nameEnd, end) !== 0) return false;
  for (let at = HEADER_BYTES; at < nameEnd; at++) if (lower(a[at]!) !== lower(b[at]!)) return false;
  return true;
}

/** Undefined unless it is a response to this query; its question is given the letters of the query. */
export function readResponse(bytes: Buffer, query: Buffer, questionEnd: number): Response | undefined {
  if (bytes.length < questionEnd || bytes.readUInt16BE(0) !== query.readUInt16BE(0)) return undefined;
  const flags = bytes.readUInt16BE(2);
  if (!(flags & RESPONSE) || bytes.readUInt16BE(4) !== 1) return undefined;
  if (!isSameQuestion(bytes, query, questionEnd)) return undefined;
  const [answers, authorities, additionals] = [6, 8, 10].map((at) => bytes.readUInt16BE(at));
  const ttlOffsets: number[] = [];
  const seconds: number[] = [];
  let at = questionEnd;
  for (let index = 0; index < answers! + authorities! + additionals!; index++) {
    const record = readRecord(bytes, at);
    if (!record) return undefined;
    at = record.end;
    if (record.type === Type.OPT) continue;
    ttlOffsets.push(record.fixed + 2);
    const ttl = bytes.readUInt32BE(record.fixed + 2);
    if (index < answers!) seconds.push(ttl);
    // That there is no such name or record, also behind a CNAME, is true for as long as the SOA says: RFC 2308, section 5.
    else if (record.type === Type.SOA && record.end - record.fixed >= 12)
      seconds.push(Math.min(ttl, bytes.readUInt32BE(record.end - 4)));
  }
  query.copy(bytes, HEADER_BYTES, HEADER_BYTES, questionEnd);
  return {
    rcode: flags & 0xf,
    isTruncated: (flags & TRUNCATED) !== 0,
    ttlOffsets,
    ttlSeconds: seconds.length === 0 ? undefined : Math.min(...seconds),
  };
}

/** A copy with another id. */
export function withId(bytes: Buffer, id: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt16BE(id, 0);
  return copy;
}
