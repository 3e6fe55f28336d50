/** What an object has to do with others: owners, what it owns, what it uses, the pods that it selects or has. */
import type { Resource } from '../cluster/discovery.ts';
import { findResource } from '../cluster/discovery.ts';
import { readMetadata } from '../cluster/metadata-lists.ts';
import { messageOf } from '../cluster/request.ts';
import { ownedBy } from '../model/dependents.ts';
import type { KubeObject } from '../model/object.ts';
import { podSelectorOf, referencesOf } from '../model/references.ts';
import { t } from '../text/text.ts';
import { KindLink, ObjectLink } from './link.tsx';
import { TableView } from './list.tsx';
import { useLoaded } from './loaded.ts';
import { Panel } from './summary.tsx';

const PODS = { group: '', version: 'v1', resource: 'pods' };
const SELECTING = new Set([
  'services',
  'deployments',
  'replicasets',
  'statefulsets',
  'daemonsets',
  'jobs',
  'poddisruptionbudgets',
]);

export function RelatedTab({ resource, object }: { readonly resource: Resource; readonly object: KubeObject }) {
  const { uid = '', namespace = '', name = '', ownerReferences = [] } = object.metadata ?? {};
  const owned = useLoaded(
    async (signal) => {
      const lists = await readMetadata(namespace, signal);
      return { objects: ownedBy(uid, lists.objects), incomplete: lists.incomplete };
    },
    [uid],
  );
  const uses = referencesOf(resource, object);
  const selector = SELECTING.has(resource.resource) ? podSelectorOf(object) : undefined;
  const isNode = resource.group === '' && resource.resource === 'nodes';
  const pods = isNode
    ? { path: '/api/v1/pods', fieldSelector: `spec.nodeName=${name}` }
    : selector === undefined
      ? undefined
      : { path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`, labelSelector: selector };
  const objects = owned.kind === 'loaded' ? owned.value.objects : [];
  const isAlone = ownerReferences.length + uses.length + objects.length === 0 && !pods;
  return (
    <div class="panels">
      {ownerReferences.length > 0 && (
        <Panel title={t('related.owners')}>
          {ownerReferences.map((owner) => (
            <div key={owner.uid}>
              <KindLink {...owner} namespace={namespace} />
            </div>
          ))}
        </Panel>
      )}
      {objects.length > 0 && (
        <Panel title={t('related.owned')}>
          <ul class="tree">
            {objects.map((one) => (
              <li key={one.uid}>
                {one.kind} <ObjectLink {...one} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {uses.length > 0 && (
        <Panel title={t('related.uses')}>
          <ul class="tree">
            {uses.map((one) => (
              <li key={`${one.resource}/${one.name}`}>
                {findResource(one.group, one.resource)?.kind ?? one.resource}{' '}
                <ObjectLink {...one} namespace={namespace} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {owned.kind === 'loading' && <p class="muted">{t('list.loading')}…</p>}
      {owned.kind === 'failed' && <p class="notice bad">{messageOf(owned.error)}</p>}
      {owned.kind === 'loaded' && isAlone && <p class="muted">{t('related.none')}</p>}
      {owned.kind === 'loaded' && owned.value.incomplete.length > 0 && (
        <p class="muted">{t('related.partial', { kinds: owned.value.incomplete.join(', ') })}</p>
      )}
      {pods && (
        <section class="panel pods">
          <h2>{isNode ? t('related.owned') : t('related.selected')}</h2>
          <TableView which={PODS} query={pods} withNamespace={isNode} compact />
        </section>
      )}
    </div>
  );
}
