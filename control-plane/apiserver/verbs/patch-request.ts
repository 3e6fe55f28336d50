/** Patches as they come in requests: read once, applied to what is there, again after a conflict. */
import { parseBody } from '../../../api/machinery/body.ts';
import { decodePatched, invalidPatch, type Decodable } from '../../../api/machinery/decode.ts';
import { jsonType } from '../../../api/machinery/schema-decoder.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import { MAX_PROBLEMS } from '../../../api/machinery/limits.ts';
import { applyJsonPatch } from '../../../api/machinery/patch/json.ts';
import {
  APPLY_MEDIA_TYPE,
  patchTypesOf,
  PATCH_MEDIA_TYPES,
  type PatchType,
} from '../../../api/machinery/patch/media-types.ts';
import { applyMergePatch } from '../../../api/machinery/patch/merge.ts';
import { applyStrategicPatch } from '../../../api/machinery/patch/strategic.ts';
import { isJsonObject, own, setOwn } from '../../../api/machinery/own.ts';
import { badRequest, unsupportedMediaType } from '../../../api/machinery/status-error.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseMediaType } from '../http/negotiate.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import { WHOLE, type UpdatedPart } from '../storage/update-strategy.ts';
import { reportProblems, type FieldValidation } from './write-options.ts';

const PATCH_TYPES = new Map(Object.entries(PATCH_MEDIA_TYPES).map(([type, media]) => [media, type as PatchType]));

const OPERATION_FIELDS = new Set(['op', 'path', 'from', 'value']);

type Patchable<T> = Decodable<T> & { readonly schema: Shape };

/** Reads the patch and its type off the request. Throws 415 for types that are not known. */
export async function readPatch(exchange: Exchange, validation: FieldValidation): Promise<PatchRequest> {
  const { type } = parseMediaType(exchange.header('content-type') ?? '');
  const patchType = PATCH_TYPES.get(type);
  const accepted = patchTypesOf(exchange.resource?.kind);
  if (!patchType || !accepted.includes(type)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${[...accepted, APPLY_MEDIA_TYPE].join(', ')}`,
    );
  }
  const text = (await exchange.readBody()).toString();
  const { value, problems } = parseBody(text, 'application/json', validation !== 'Ignore');
  exchange.audit?.requestedPatch(value);
  const found = patchType === 'json' ? operationProblems(value, problems) : problems;
  return new PatchRequest(patchType, value, text, found, validation);
}

/** What is said of operations, whose fields are not those of an object. */
function operationProblems(patch: unknown, repeated: readonly string[]): string[] {
  const unknown = (Array.isArray(patch) ? patch : []).flatMap((operation: unknown, index) =>
    Object.keys(operation ?? {})
      .filter((field) => !OPERATION_FIELDS.has(field))
      .map((field) => `unknown field "[${index}].${field}"`),
  );
  return [...unknown, ...repeated].slice(0, MAX_PROBLEMS).map((problem) => `json patch ${problem}`);
}

class PatchRequest {
  readonly #type: PatchType;
  readonly #patch: unknown;
  readonly #text: string;
  readonly #problems: readonly string[];
  readonly #validation: FieldValidation;

  constructor(type: PatchType, patch: unknown, text: string, problems: readonly string[], validation: FieldValidation) {
    this.#type = type;
    this.#patch = patch;
    this.#text = text;
    this.#problems = problems;
    this.#validation = validation;
  }

  /**
   * Returns the patched object; `old` is not changed, and `reparse` returns a copy that may be. Of fields that an update of `part`
   * does not take, the object has only those that the patch changes. Throws a 422 StatusError for a result that is not of the kind,
   * or that has fields that strict validation rejects.
   */
  apply<T extends KubeObject>(
    kind: Patchable<T>,
    old: Stored,
    reparse: () => Stored,
    exchange: Exchange,
    part: UpdatedPart = WHOLE,
  ): T {
    const patched = this.#patched(kind, old, reparse);
    // Upstream quotes the patched object, but of a strategic patch the patch itself.
    const strategic = this.#type === 'strategic';
    const shown = () => (strategic ? this.#text : JSON.stringify(patched));
    const taken = withoutUntaken(patched, old, part);
    const { object, problems } = decodePatched(kind, taken, shown, strategic ? 'ofMap' : 'message');
    // Fields of the patched object are reported in the order of their keys.
    reportProblems([...this.#problems, ...problems.sort()], this.#validation, exchange, (message) =>
      invalidPatch(shown(), message),
    );
    return object;
  }

  #patched(kind: { readonly schema: Shape }, old: Stored, reparse: () => Stored): unknown {
    switch (this.#type) {
      case 'json':
        return applyJsonPatch(reparse(), this.#patch);
      case 'merge':
        return applyMergePatch(old, this.#object());
      case 'strategic':
        return applyStrategicPatch(old as unknown as Record<string, unknown>, this.#patch, kind.schema);
    }
  }
  /** Throws a 400 StatusError for a patch that is none. */
  #object(): unknown {
    const type = jsonType(this.#patch);
    if (type === 'object') return this.#patch;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${type} into Go value of type map[string]interface {}`,
    );
  }
}

const ALWAYS_TAKEN: readonly string[] = ['apiVersion', 'kind', 'metadata'];

/**
 * Without the fields that the patch has left as they are and that the update does not take: a status patch need not decode the spec,
 * which is most of a pod.
 */
function withoutUntaken(patched: unknown, old: object, part: UpdatedPart): unknown {
  const takes = 'update' in part ? part.update.takes : undefined;
  if (!takes || !isJsonObject(patched)) return patched;
  const before = old as Readonly<Record<string, unknown>>;
  const taken: Record<string, unknown> = {};
  for (const field in patched) {
    const value = patched[field];
    if (ALWAYS_TAKEN.includes(field) || takes.some((each) => each === field) || own(before, field) !== value)
      setOwn(taken, field, value);
  }
  return taken;
}
