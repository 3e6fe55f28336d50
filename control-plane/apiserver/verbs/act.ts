/** A create that is served by an action, from its body to its response. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { ActionSubresource, Kind } from '../../../api/machinery/kind.ts';
import type { AuthorizedRequest, Pipeline } from '../admission/pipeline.ts';
import { placeObject, wipeSystemFields } from '../catalogue/object-meta.ts';
import { noAcceptedType } from '../http/negotiate.ts';
import type { Action } from './handlers.ts';
import { parseDryRun, parseFieldValidation, reportBody } from './write-options.ts';

/** The body is of the resource's own kind where there is no subresource. */
export type ActionPart = Pick<ActionSubresource, 'action' | 'body' | 'keepsMetadata'>;

/** @param kind of the resource in the URL */
export async function act(
  pipeline: Pipeline,
  request: AuthorizedRequest,
  kind: Kind,
  { body: bodyKind, keepsMetadata }: ActionPart,
  action: Action,
): Promise<void> {
  // Only what is stored has rows and metadata to show.
  if (request.accepted.form !== 'object') throw noAcceptedType(kind.schema);
  const { query } = request.info;
  const asksForDryRun = parseDryRun(query, 'CreateOptions');
  const validation = parseFieldValidation(query, 'CreateOptions');
  const parsed = request.parseBody(await request.readBody(), validation !== 'Ignore');
  const { object, problems } = decodeObject(bodyKind, parsed.value);
  reportBody(bodyKind, parsed, problems, validation, request);
  const placed = placeObject(kind, object, request.namespace, '');
  if (!keepsMetadata) wipeSystemFields(placed);
  bodyKind.applyDefaults(object);
  request.audit?.requested(object);
  const admitted = await pipeline.admitCreate(request, kind, bodyKind, object, asksForDryRun);
  const result = await action(admitted);
  request.sendObject(result.code, result.object);
}
