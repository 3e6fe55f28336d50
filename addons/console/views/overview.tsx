/** The cluster at a glance: how many of what, and what goes wrong. */
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { findResource, type Resource } from '../cluster/discovery.ts';
import { call } from '../cluster/request.ts';
import { apiPath, formatRoute } from '../model/route.ts';
import { t } from '../text/text.ts';
import { TableView } from './list.tsx';
import { listRoute } from './place.ts';

const AS_METADATA = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const COUNTED: readonly (readonly [group: string, resource: string])[] = [
  ['', 'nodes'],
  ['', 'namespaces'],
  ['', 'pods'],
  ['apps', 'deployments'],
  ['apps', 'statefulsets'],
  ['apps', 'daemonsets'],
  ['batch', 'jobs'],
  ['', 'services'],
  ['networking.k8s.io', 'ingresses'],
  ['', 'persistentvolumeclaims'],
];
const EVENTS = { group: '', version: 'v1', resource: 'events' };

const version = signal('');

export function OverviewPage() {
  useEffect(() => {
    call<{ gitVersion?: string }>('/version').then(
      ({ gitVersion = '' }) => (version.value = gitVersion),
      () => (version.value = ''),
    );
  }, []);
  return (
    <section class="page" aria-labelledby="page-title">
      <header class="page-head">
        <h1 id="page-title">{t('overview.title')}</h1>
        {version.value && <span class="muted">{t('overview.version', { version: version.value })}</span>}
      </header>
      <ul class="tiles">
        {COUNTED.map(([group, name]) => {
          const resource = findResource(group, name);
          return resource && <Count key={`${group}/${name}`} resource={resource} />;
        })}
      </ul>
      <h2>{t('overview.warnings')}</h2>
      <TableView
        which={EVENTS}
        query={{ path: '/api/v1/events', fieldSelector: 'type=Warning' }}
        withNamespace
        compact
        initialOrder={{ by: 'age', descending: false }}
      />
    </section>
  );
}

/** A list of one object says how many more there are. */
async function count(resource: Resource): Promise<number> {
  const list = await call<{ items?: unknown[]; metadata?: { remainingItemCount?: number } }>(apiPath(resource), {
    accept: AS_METADATA,
    query: { limit: '1' },
  });
  return (list.items?.length ?? 0) + (list.metadata?.remainingItemCount ?? 0);
}

function Count({ resource }: { readonly resource: Resource }) {
  const known = useSignal<number | undefined>(undefined);
  useEffect(() => {
    // Who may not list them sees no number.
    count(resource).then(
      (number) => (known.value = number),
      () => (known.value = undefined),
    );
  }, []);
  if (known.value === undefined) return null;
  return (
    <li>
      <a class="tile" href={formatRoute(listRoute(resource, ''))}>
        <span class="number">{known.value}</span>
        <span>{resource.kind}</span>
      </a>
    </li>
  );
}
