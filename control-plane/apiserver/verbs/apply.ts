/** Server-side apply, as it comes in requests: a PATCH with a configuration of the whole object, in YAML or JSON. */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { DecodeError } from '../../../api/machinery/schema-decoder.ts';
import { apply, ApplyConflict, applyConflict } from '../../../api/machinery/fieldset/apply.ts';
import { misfits } from '../../../api/machinery/fieldset/fields-of.ts';
import { withLastApplied } from '../../../api/machinery/fieldset/last-applied.ts';
import { ownersText, parseOwners } from '../../../api/machinery/fieldset/owners.ts';
import { FieldsError } from '../../../api/machinery/fieldset/path-element.ts';
import type { Ownable } from '../../../api/machinery/fieldset/track.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { isJsonObject } from '../../../api/machinery/own.ts';
import { APPLY_MEDIA_TYPE } from '../../../api/machinery/patch/media-types.ts';
import { isTrue } from '../../../api/machinery/query-values.ts';
import { badRequest, StatusError, unclassified } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseMediaType } from '../http/negotiate.ts';
import type { OwnedPart } from '../storage/ownership.ts';
import type { AppliedChange, ApplyRequest } from '../storage/update-request.ts';
import { reportProblems, type FieldValidation } from './write-options.ts';

type Configuration = Record<string, unknown>;

export const isApply = (exchange: Exchange): boolean =>
  parseMediaType(exchange.header('content-type') ?? '').type === APPLY_MEDIA_TYPE;

/**
 * Reads the configuration off the request.
 * @param kind of what travels: the object's, or Scale
 * The result throws StatusError: 400 for a configuration of another kind, 409 for conflicts, 500 for one that does not fit the schema.
 */
export async function readApply(
  exchange: Exchange,
  validation: FieldValidation,
  kind: Kind,
): Promise<ApplyRequest['apply']> {
  const { query } = exchange.info;
  const manager = query.get('fieldManager') ?? '';
  const force = isTrue(query.get('force'));
  const configuration = parseConfiguration(exchange, await exchange.readBody(), validation);
  const subresource = exchange.info.subresource;
  return (live, owners, { ownable, apiVersion }: OwnedPart): AppliedChange => {
    const config = checked(configuration.value, kind, ownable);
    const by = { manager, operation: 'Apply', apiVersion, subresource } as const;
    const known = parseOwners(owners);
    const now = timeOf(Date.now());
    const base = live ?? (ownable.empty as Stored);
    const applyTo = (forced: boolean) => apply(ownable, base, config, known, by, now, forced);
    try {
      const applied = withLastApplied(ownable, base, config, manager, force, applyTo);
      configuration.report();
      const object = applied.object === undefined ? (structuredClone(base) as unknown) : applied.object;
      return { object: decoded(kind, object), owners: ownersText(applied.owners) };
    } catch (error) {
      if (error instanceof ApplyConflict) throw applyConflict(error.conflicts, known);
      if (error instanceof FieldsError) throw unclassified(`failed to create typed live object: ${error.message}`);
      throw error;
    }
  };
}

function parseConfiguration(
  exchange: Exchange,
  body: Buffer,
  validation: FieldValidation,
): { readonly value: Configuration; report(): void } {
  try {
    const { value, problems } = exchange.parseBody(body, validation !== 'Ignore');
    if (!isJsonObject(value)) throw badRequest('yaml: cannot unmarshal the document into an object');
    exchange.audit?.requestedPatch(value);
    return {
      value,
      report: () =>
        reportProblems(problems, validation, exchange, (message) =>
          badRequest(`error strict decoding YAML: ${message}`),
        ),
    };
  } catch (error) {
    if (error instanceof StatusError && error.code === 400) throw badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
}

/** Returns the configuration once it is one of the kind. */
function checked(config: Configuration, kind: Kind, { type }: Ownable): Configuration {
  const { apiVersion, kind: named, metadata } = config;
  const given = gvk(typeof apiVersion === 'string' ? apiVersion : '', typeof named === 'string' ? named : '');
  const expected = gvk(apiVersionOf(kind), kind.kind);
  if (given !== expected) throw badRequest(`invalid object type: ${given}`);
  if (isJsonObject(metadata) && Array.isArray(metadata.managedFields)) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const errors = misfits(type, config);
  if (errors.length > 0) {
    const message = errors.length === 1 ? errors[0] : ['errors:', ...errors].join('\n  ');
    throw unclassified(`failed to create typed patch object (${identity(config)}; ${expected}): ${message}`);
  }
  return config;
}

/** As Go prints a GroupVersionKind. */
const gvk = (apiVersion: string, kind: string): string =>
  `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;

function identity({ metadata }: Configuration): string {
  const { namespace, name } = isJsonObject(metadata) ? metadata : {};
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return `${text(namespace)}/${text(name)}`;
}

function decoded(kind: Kind, object: unknown): Stored {
  try {
    const result = kind.decode(object).object as Stored;
    result.apiVersion = apiVersionOf(kind);
    result.kind = kind.kind;
    kind.applyDefaults(result);
    return result;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw unclassified(
      `failed to convert new object (${identity(object as Configuration)}) to proper version: ${error.message}`,
    );
  }
}
