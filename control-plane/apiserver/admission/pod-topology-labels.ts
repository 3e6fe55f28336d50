import { REGION_LABEL, ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Binding } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { podOf } from './pod-request.ts';

const LABELS = [ZONE_LABEL, REGION_LABEL];

type Labels = Readonly<Record<string, string>>;

/**
 * A pod gets the labels of where its node is, so that it can read them through the downward API.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtopologylabels
 */
export function podTopologyLabels(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const ofNodes = new Map<string, Labels>();
  api.subscribe(nodes, ({ name, object }) => {
    const labels = Object.fromEntries(
      LABELS.flatMap((label) => {
        const value = own(object?.metadata?.labels, label);
        return value === undefined ? [] : [[label, value]];
      }),
    );
    if (Object.keys(labels).length > 0) ofNodes.set(name, labels);
    else ofNodes.delete(name);
  });
  return {
    name: 'PodTopologyLabels',
    mutate(request) {
      if (request.operation !== 'CREATE') return;
      const object = request.object;
      const isBinding =
        request.subresource === 'binding' && request.kind.plural === 'pods' && request.kind.group === '';
      const node = isBinding ? nodeOfBinding(object as Binding) : podOf(request)?.spec?.nodeName;
      const labels = node ? ofNodes.get(node) : undefined;
      if (!labels || !object) return;
      const metadata = (object.metadata ??= {});
      metadata.labels = { ...metadata.labels, ...labels };
    },
  };
}

const nodeOfBinding = ({ target }: Binding): string | undefined => (target.kind === 'Node' ? target.name : undefined);
