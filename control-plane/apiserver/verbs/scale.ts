/** The `scale` subresource: the replicas of an object, as autoscaling/v1 Scale. */
import { SCALE } from '../storage/update-strategy.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import { formatSelector, selectorFrom } from '../../../api/machinery/selectors.ts';
import { invalidObject, notFound } from '../../../api/machinery/status-error.ts';
import { scales } from '../../../api/kinds/autoscaling/scale.ts';
import type { Pipeline } from '../admission/pipeline.ts';
import type { VerbHandler } from './handlers.ts';
import { placeObject, type Stored } from '../catalogue/object-meta.ts';
import { readPatch } from './patch-request.ts';
import { parseDryRun, parseFieldValidation, reportBody } from './write-options.ts';
import type { ObjectWriter } from '../storage/write.ts';
import type { Scale } from '../../../api/types/autoscaling/v1.gen.ts';
import type { LabelSelector } from '../../../api/types/meta/v1.gen.ts';

interface Scalable extends Stored {
  readonly spec: { replicas?: number; readonly selector?: LabelSelector };
  readonly status?: { readonly replicas?: number };
}

export const scaleVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (exchange, resource) => {
    const { namespace } = exchange;
    const { name, verb, query } = exchange.info;
    const entry = resource.cache.get(namespace, name);
    if (!entry) throw notFound(resource.kind, name);
    if (verb === 'get') return exchange.sendObject(200, scaleOf(resource.parse(entry.bytes) as Scalable));

    const options = verb === 'patch' ? 'PatchOptions' : 'UpdateOptions';
    const dryRun = parseDryRun(query, options);
    const validation = parseFieldValidation(query, options);
    const patch = verb === 'patch' ? await readPatch(exchange, validation) : undefined;
    const body = patch ? undefined : await exchange.readBody();
    const wantedScale = (current: Scale): Scale => {
      if (patch) return patch.apply(scales, current as Stored, () => structuredClone(current) as Stored, exchange);
      const parsed = exchange.parseBody(body ?? Buffer.alloc(0), validation !== 'Ignore');
      const { object, problems } = decodeObject(scales, parsed.value);
      reportBody(scales, parsed, problems, validation, exchange);
      return object;
    };
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(resource.kind, name);
      const object = reparse() as Scalable;
      const scale = wantedScale(scaleOf(old as Scalable));
      const { metadata } = placeObject(resource.kind, scale, namespace, name);
      const replicas = scale.spec?.replicas ?? 0;
      const errors = scales.validate(scale);
      if (errors.length > 0) throw invalidObject(scales, name, errors);
      object.spec.replicas = replicas;
      object.metadata.resourceVersion = metadata.resourceVersion;
      if (metadata.uid) object.metadata.uid = metadata.uid;
      return object;
    };
    const { bytes } = await writer.update(
      resource,
      { namespace, name, part: SCALE, change },
      pipeline.writeContext(exchange, dryRun),
    );
    exchange.sendObject(200, scaleOf(JSON.parse(bytes.toString()) as Scalable));
  };

function scaleOf({ metadata, spec, status }: Scalable): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: spec.replicas ? { replicas: spec.replicas } : {},
    status: {
      replicas: status?.replicas ?? 0,
      ...(spec.selector && { selector: formatSelector(selectorFrom(spec.selector)) }),
    },
  };
}
