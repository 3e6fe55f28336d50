/** The `scale` subresource: the replicas of an object, as autoscaling/v1 Scale. Upstream's `ScaleREST` of each workload. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import type { Pipeline } from '../admission/pipeline.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { Written } from '../storage/object-store.ts';
import type { ObjectWriter } from '../storage/write.ts';
import { isApply, readApply } from './apply.ts';
import type { ScaleHandler } from './handlers.ts';
import { readPatch } from './patch-request.ts';
import { checkManager, parseDryRun, parseFieldValidation, reportBody } from './write-options.ts';

export const scaleVerb =
  (pipeline: Pipeline, writer: ObjectWriter): ScaleHandler =>
  async (exchange, resource, part) => {
    const { namespace } = exchange;
    const { name, verb, query } = exchange.info;
    const entry = resource.cache.get(namespace, name);
    if (!entry) throw notFound(resource.kind, name);
    if (verb === 'get') {
      const { bytes } = resource.converted ? await resource.converted.one(entry) : entry;
      return exchange.sendObject(200, part.scaleOf(resource.parse(bytes)));
    }

    const options = verb === 'patch' ? 'PatchOptions' : 'UpdateOptions';
    const applies = verb === 'patch' && isApply(exchange);
    checkManager(query, options, applies);
    const dryRun = parseDryRun(query, options);
    const validation = parseFieldValidation(query, options);
    const send = ({ bytes }: Written): void =>
      exchange.sendObject(200, part.scaleOf(JSON.parse(bytes.toString()) as KubeObject));
    if (applies) {
      const apply = await readApply(exchange, validation, part.body);
      const context = pipeline.writeContext(exchange, dryRun);
      return send(await writer.update(resource, { namespace, name, part, apply }, context));
    }
    const patch = verb === 'patch' ? await readPatch(exchange, validation) : undefined;
    const body = patch ? undefined : await exchange.readBody();
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(resource.kind, name);
      if (patch) return patch.apply(part.body, old, reparse, exchange) as Stored;
      const parsed = exchange.parseBody(body ?? Buffer.alloc(0), validation !== 'Ignore');
      const { object, problems } = decodeObject(part.body, parsed.value);
      reportBody(part.body, parsed, problems, validation, exchange);
      exchange.audit?.requested(object);
      return object as Stored;
    };
    const context = pipeline.writeContext(exchange, dryRun);
    send(await writer.update(resource, { namespace, name, part, change }, context));
  };
