/** The nodes of a Service's endpoints, for Services whose traffic stays on the node where it arrives. */
import { SERVICE_NAME_LABEL } from '../../../../api/kinds/discovery/endpoint-slice.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { EndpointSlice } from '../../../../api/types/discovery/v1.gen.ts';
import { objectKey, type InformerHandlers } from '../../../../client/informer.ts';

/** The nodes that have ready endpoints: an endpoint whose readiness is not known counts as ready. */
export const nodesWithEndpoints = (slices: readonly EndpointSlice[]): ReadonlySet<string> =>
  new Set(
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? []).flatMap(({ nodeName, conditions }) =>
        nodeName && conditions?.ready !== false ? nodeName : [],
      ),
    ),
  );

/** Calls `wake` with the key of the Service whose endpoints are on other nodes than before. */
export function whenMoved(wake: (key: string) => void): InformerHandlers<EndpointSlice> {
  const changed = ({ metadata }: EndpointSlice): void =>
    wake(objectKey(metadata?.namespace, own(metadata?.labels, SERVICE_NAME_LABEL) ?? ''));
  return {
    onAdd: changed,
    onUpdate: (old, slice) => {
      if (nodesWithEndpoints([old]).symmetricDifference(nodesWithEndpoints([slice])).size > 0) changed(slice);
    },
    onDelete: changed,
  };
}
