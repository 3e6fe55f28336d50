import { namespaces } from '../../../api/kinds/core/namespace.ts';
import type { ActionName } from '../../../api/machinery/kind.ts';
import { forbidden, NAMESPACE_TERMINATING, notFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public']);
/** The answer must not tell who asks whether a namespace exists. */
const ACCESS_REVIEWS: ActionName = 'localsubjectaccessreviews.authorization.k8s.io';

function terminating({ kind, name }: AdmissionRequest, namespace: string): StatusError {
  const { status } = forbidden(
    kind,
    name || 'Unknown',
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: NAMESPACE_TERMINATING,
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new StatusError({ ...status, details: { ...status.details, causes: [cause] } });
}

/**
 * Nothing is created or updated in a namespace that does not exist, nor created in one that is terminating; the system's namespaces
 * cannot be deleted. Upstream's `k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle`.
 */
export function namespaceLifecycle(api: Pick<LocalApi, 'subscribe' | 'fresh'>): AdmissionPlugin {
  const phases = new Map<string, string>();
  api.subscribe(namespaces, ({ name, object }) => {
    if (object) phases.set(name, object.status?.phase ?? '');
    else phases.delete(name);
  });
  const checkNamespace = (request: AdmissionRequest): void => {
    const { namespace } = request;
    const phase = phases.get(namespace);
    if (phase === undefined) throw notFound(namespaces, namespace);
    if (phase === 'Terminating' && request.operation === 'CREATE') throw terminating(request, namespace);
  };
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
      if (!kind.namespaced || kind.action === ACCESS_REVIEWS) return;
      if (operation !== 'CREATE' && operation !== 'UPDATE') return;
      // Another server may have just created it.
      const stale = phases.has(namespace) ? undefined : api.fresh();
      if (stale) return stale.then(() => checkNamespace(request));
      checkNamespace(request);
    },
  };
}
