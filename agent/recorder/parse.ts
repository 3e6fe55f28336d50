/** Reads a line of a segment. What a power loss, a full disk, a hand or another version has made of it is no record. Pure. */
import type { RecordKind, StoredRecord } from './stored.ts';

type FieldType = 'string' | 'number' | 'boolean' | 'exit' | 'texts' | 'objects';

/** The fields that every record of a kind has, beside its clocks. */
const FIELDS: { readonly [K in RecordKind]: Readonly<Record<string, FieldType>> } = {
  life: { format: 'number', boot: 'string', pid: 'number', agentAt: 'number', version: 'string' },
  lost: { count: 'number', why: 'string' },
  agent: { what: 'string' },
  log: { level: 'string', message: 'string' },
  plan: { operation: 'string', actions: 'objects' },
  action: { action: 'string', error: 'string' },
  cri: { call: 'string', ms: 'number' },
  program: { command: 'string', exit: 'exit', ms: 'number' },
  exit: { container: 'string', id: 'string', exitCode: 'number', reason: 'string', ranMs: 'number', next: 'string' },
  seen: { what: 'string' },
  probe: { container: 'string', probe: 'string', healthy: 'boolean' },
  status: { phase: 'string', ready: 'string', waiting: 'texts', ms: 'number' },
  volume: { step: 'string', volume: 'string', ms: 'number' },
  rules: { rules: 'objects', ms: 'number' },
  node: { condition: 'string', status: 'string', reason: 'string', message: 'string' },
  event: { type: 'string', reason: 'string', object: 'string', message: 'string' },
};
const SHAPES: ReadonlyMap<string, ReadonlyMap<string, FieldType>> = new Map(
  Object.entries(FIELDS).map(([kind, fields]) => [kind, new Map(Object.entries(fields))]),
);
const OPTIONAL_TEXTS = ['pod', 'podUID', 'error', 'container', 'id', 'target', 'server', 'version'];

/** The last millisecond of the year 9999. */
const MAX_TIME = 253_402_300_799_999;

/** Undefined for what is no record. */
export function parseRecord(line: string): StoredRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  return isRecord(fields) ? (value as StoredRecord) : undefined;
}

function isRecord(fields: ReadonlyMap<string, unknown>): boolean {
  const [kind, at, mono] = [fields.get('kind'), fields.get('at'), fields.get('mono')];
  if (typeof kind !== 'string' || !isTime(at) || !isTime(mono)) return false;
  if (!OPTIONAL_TEXTS.every((name) => ['string', 'undefined'].includes(typeof fields.get(name)))) return false;
  const shape = SHAPES.get(kind);
  return shape !== undefined && [...shape].every(([name, type]) => isOfType(fields.get(name), type));
}

const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= MAX_TIME;

function isOfType(value: unknown, type: FieldType): boolean {
  switch (type) {
    case 'exit':
      return value === null || typeof value === 'number';
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'objects':
      return Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null);
    default:
      return typeof value === type;
  }
}
