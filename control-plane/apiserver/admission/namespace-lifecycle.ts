import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import { forbidden, notFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public']);
/** Asking whether something is allowed works in every namespace, also in one that is not there. */
const ACCESS_REVIEWS = 'localsubjectaccessreviews.authorization.k8s.io';

function terminating({ kind, name }: AdmissionRequest, namespace: string): StatusError {
  const { status } = forbidden(
    kind,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new StatusError({ ...status, details: { ...status.details, causes: [cause] } });
}

/** Nothing is created in a namespace that does not exist or is terminating; the system's namespaces cannot be deleted. */
export function namespaceLifecycle(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const isTerminating = new Map<string, boolean>();
  api.subscribe(namespaces, ({ name, object }) => {
    if (!object) isTerminating.delete(name);
    else
      isTerminating.set(
        name,
        object.metadata?.deletionTimestamp !== undefined || object.status?.phase === 'Terminating',
      );
  });
  return {
    name: 'NamespaceLifecycle',
    mutate(request) {
      const { operation, kind, name, namespace } = request;
      if (kind.kind === 'Namespace' && kind.group === '') {
        if (operation === 'DELETE' && IMMORTAL.has(name)) {
          throw forbidden(kind, name, 'this namespace may not be deleted');
        }
        return;
      }
      if (operation !== 'CREATE' || !kind.namespaced || groupResource(kind) === ACCESS_REVIEWS) return;
      const state = isTerminating.get(namespace);
      if (state === undefined) throw notFound(namespaces, namespace);
      if (state) throw terminating(request, namespace);
    },
  };
}
