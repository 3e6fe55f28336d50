/** The query parameters of writes, and the decoding of their bodies. */
import { allProblems, type Body } from '../../../api/machinery/body.ts';
import { cannotHandle } from '../../../api/machinery/decode.ts';
import { decoderOf, DecodeError } from '../../../api/machinery/schema-decoder.ts';
import {
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
  type FieldError,
} from '../../../api/machinery/field-error.ts';
import { MAX_MANAGER_BYTES } from '../../../api/machinery/metadata.ts';
import { isTrue, parseInt64, type Query } from '../../../api/machinery/query-values.ts';
import { badRequest, invalidObject } from '../../../api/machinery/status-error.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** Whether `dryRun=All` is given. `kind` names the options in the error, as `CreateOptions`. */
export function parseDryRun(query: Query, kind: string): boolean {
  if (query.size === 0) return false;
  const values = query.getAll('dryRun');
  const unknown = values.filter((value) => value !== 'All' && value !== '');
  if (unknown.length > 0) {
    const error = { ...notSupported('dryRun', unknown, ['All']), field: 'dryRun' };
    throw invalidObject({ group: 'meta.k8s.io', kind }, '', [error]);
  }
  return values.includes('All');
}

const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/**
 * Checks `fieldManager`, and `force`, which are for the ownership of fields.
 * @param kind names the options in the error @param applies whether this is a server-side apply
 */
export function checkManager(query: Query, kind: string, applies = false): void {
  if (query.size === 0 && !applies) return;
  const manager = query.get('fieldManager') ?? '';
  const errors: FieldError[] = [];
  if (applies && manager === '') errors.push(required('fieldManager', 'is required for apply patch'));
  if (!applies && kind === 'PatchOptions' && query.has('force')) {
    errors.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (Buffer.byteLength(manager) > MAX_MANAGER_BYTES) errors.push(tooLong('fieldManager', MAX_MANAGER_BYTES));
  if (UNPRINTABLE.test(manager)) {
    errors.push(invalid('fieldManager', manager, 'should only contain printable characters'));
  }
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind }, '', errors);
}

export function parseFieldValidation(query: Query, kind: string): FieldValidation {
  const value = (query.size > 0 && query.get('fieldValidation')) || 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  const error = notSupported('fieldValidation', value, ['Ignore', 'Strict', 'Warn']);
  throw invalidObject({ group: 'meta.k8s.io', kind }, '', [error]);
}

/** Decodes a body as an object of the resource; unknown fields are rejected, warned of or ignored. */
export function decodeBody(
  resource: ServedResource,
  body: Buffer,
  validation: FieldValidation,
  exchange: Exchange,
): Stored {
  const parsed = exchange.parseBody(body, validation !== 'Ignore');
  const decoded = resource.decode(parsed.value);
  reportBody(resource.kind, parsed, decoded.problems, validation, exchange);
  return decoded.object;
}

/** Reports duplicate and unknown fields of a body. Throws a 400 StatusError in strict validation. */
export function reportBody(
  kind: { readonly kind: string; readonly version: string },
  body: Body,
  unknown: readonly string[],
  validation: FieldValidation,
  exchange: Exchange,
): void {
  if (body.problems.length === 0 && unknown.length === 0) return;
  reportProblems(allProblems(body, unknown), validation, exchange, (message) =>
    badRequest(`${cannotHandle(kind)}: ${message}`),
  );
}

/** @param refuse makes the error of strict validation. */
export function reportProblems(
  problems: readonly string[],
  validation: FieldValidation,
  exchange: Exchange,
  refuse: (message: string) => Error,
): void {
  if (problems.length === 0 || validation === 'Ignore') return;
  if (validation === 'Strict') throw refuse(strictError(problems));
  for (const problem of problems) exchange.warn(problem);
}

/** Upstream's YAML library lists the keys that it met twice in an error of its own. */
function strictError(problems: readonly string[]): string {
  const ofYaml = problems.filter((problem) => problem.startsWith('line '));
  const others = problems.filter((problem) => !problem.startsWith('line '));
  const yaml = ofYaml.length > 0 ? [['yaml: unmarshal errors:', ...ofYaml].join('\n  ')] : [];
  return `strict decoding error: ${[...yaml, ...others].join(', ')}`;
}

const decodeDeleteOptions = decoderOf<DeleteOptions>(DeleteOptions);

/** Delete options come in the body, or in the query when there is none. */
export async function readDeleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const body = await exchange.readBody();
  const { query } = exchange.info;
  const options = body.length > 0 ? deleteOptionsFromBody(body, exchange) : deleteOptionsFromQuery(query);
  if (body.length > 0) exchange.audit?.requested({ kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options });
  // What is not there is not undefined, either: contradictions are looked for.
  return { ...options, ...(parseDryRun(query, 'DeleteOptions') && { dryRun: ['All'] }) };
}

function deleteOptionsFromBody(body: Buffer, exchange: Exchange): DeleteOptions {
  const { value } = exchange.parseBody(body, false);
  try {
    return decodeDeleteOptions(value).object;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw badRequest(`DeleteOptions in version "v1" cannot be handled as a DeleteOptions: ${error.message}`);
  }
}

function deleteOptionsFromQuery(query: Query): DeleteOptions {
  const options: DeleteOptions = {};
  const grace = query.get('gracePeriodSeconds');
  if (grace) options.gracePeriodSeconds = parseInt64(grace);
  const policy = query.get('propagationPolicy');
  if (policy) options.propagationPolicy = policy;
  const ignored = 'ignoreStoreReadErrorWithClusterBreakingPotential';
  if (query.has(ignored)) options[ignored] = isTrue(query.get(ignored));
  if (query.has('orphanDependents')) options.orphanDependents = isTrue(query.get('orphanDependents'));
  return options;
}
