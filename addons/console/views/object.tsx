/** One object: what is known of it, and what can be done to it. */
import { useMemo, useEffect } from 'preact/hooks';
import { humanDuration } from '../../../api/machinery/duration.ts';
import { may } from '../cluster/access.ts';
import { findResource, type Resource } from '../cluster/discovery.ts';
import { LiveObject } from '../cluster/live-object.ts';
import type { KubeObject } from '../model/object.ts';
import { formatRoute, TABS, type Route, type Tab } from '../model/route.ts';
import { t } from '../text/text.ts';
import { ActionButtons } from './actions.tsx';
import { EditorTab } from './editor.tsx';
import { TableView } from './list.tsx';
import { LogsTab } from './logs.tsx';
import { listRoute } from './place.ts';
import { now } from '../preferences.ts';
import { RelatedTab } from './related.tsx';
import { Summary } from './summary.tsx';
import { TerminalTab } from './terminal.tsx';

type ObjectRoute = Extract<Route, { page: 'object' }>;

const EVENTS = { group: '', version: 'v1', resource: 'events' };

export function ObjectPage({ route }: { readonly route: ObjectRoute }) {
  const { group, version, resource: plural, namespace, name } = route;
  const live = useMemo(
    () => new LiveObject({ group, version, resource: plural }, namespace, name),
    [group, version, plural, namespace, name],
  );
  useEffect(() => () => live.close(), [live]);
  const resource = findResource(group, plural);
  const object = live.object.value;
  const state = live.state.value;
  return (
    <section class="page" aria-labelledby="page-title">
      <header class="page-head">
        <a class="crumb" href={formatRoute(listRoute(route))}>
          {resource?.kind ?? plural}
        </a>
        <span class="crumb">/</span>
        {namespace && <span class="crumb">{namespace} /</span>}
        <h1 id="page-title" class="object-name">
          {name}
        </h1>
        {state.kind === 'stale' && <span class="live stale">{t('list.stale')}</span>}
        <span class="grow" />
        {object && resource && !live.isDeleted.value && <ActionButtons resource={resource} object={object} />}
      </header>
      {state.kind === 'failed' && (
        <p class="notice bad" role="alert">
          {state.error.code === 404 ? t('object.missing') : t('object.failed')}{' '}
          <span class="detail">{state.error.message}</span>
        </p>
      )}
      {live.isDeleted.value && (
        <p class="notice bad" role="status">
          {t('object.deleted')}
        </p>
      )}
      {object?.metadata?.deletionTimestamp && !live.isDeleted.value && (
        <p class="notice" role="status">
          {t('object.deleting', {
            age: humanDuration(Math.max(0, now.value - Date.parse(object.metadata.deletionTimestamp))),
          })}
        </p>
      )}
      {object && resource && <Tabs route={route} object={object} resource={resource} />}
    </section>
  );
}

interface TabsProps {
  readonly route: ObjectRoute;
  readonly object: KubeObject;
  readonly resource: Resource;
}

function Tabs({ route, object, resource }: TabsProps) {
  const { group, resource: plural, namespace, name } = route;
  const isPod = group === '' && plural === 'pods';
  const logs = may({ verb: 'get', group: '', resource: 'pods', subresource: 'log', namespace, name });
  const exec = may({ verb: 'create', group: '', resource: 'pods', subresource: 'exec', namespace, name });
  const isThere = (tab: Tab): boolean =>
    tab === 'logs' ? isPod && logs.value === true : tab === 'terminal' ? isPod && exec.value === true : true;
  return (
    <>
      <div class="tabs">
        {TABS.filter(isThere).map((tab) => (
          <a key={tab} href={formatRoute({ ...route, tab })} aria-current={tab === route.tab ? 'page' : undefined}>
            {t(`tab.${tab}`)}
          </a>
        ))}
      </div>
      {isThere(route.tab) && <TabView route={route} object={object} resource={resource} />}
    </>
  );
}

function TabView({ route, object, resource }: TabsProps) {
  const uid = object.metadata?.uid ?? '';
  switch (route.tab) {
    case 'summary':
      return <Summary resource={resource} object={object} />;
    case 'yaml':
      return <EditorTab key={uid} resource={resource} object={object} />;
    case 'events':
      return (
        <TableView
          which={EVENTS}
          query={{
            path: route.namespace
              ? `/api/v1/namespaces/${encodeURIComponent(route.namespace)}/events`
              : '/api/v1/events',
            fieldSelector: `involvedObject.name=${route.name},involvedObject.kind=${resource.kind}`,
          }}
          withNamespace={false}
          initialOrder={{ by: 'age', descending: false }}
        />
      );
    case 'related':
      return <RelatedTab key={uid} resource={resource} object={object} />;
    case 'logs':
      return <LogsTab key={uid} pod={object} />;
    case 'terminal':
      return <TerminalTab key={uid} pod={object} />;
  }
}
