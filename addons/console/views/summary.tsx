/** What is known of an object, in the words of its kind. */
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { humanDuration } from '../../../api/machinery/duration.ts';
import type { Resource } from '../cluster/discovery.ts';
import { at, listAt, mapAt, shown, textAt, type KubeObject } from '../model/object.ts';
import { toneOf } from '../model/rows.ts';
import { t } from '../text/text.ts';
import { KindLink, ObjectLink } from './link.tsx';
import { now } from '../preferences.ts';

/** What has a panel of its own, or is for programs. */
const NOT_LISTED = new Set([
  'template',
  'containers',
  'initContainers',
  'ephemeralContainers',
  'volumes',
  'tolerations',
  'versions',
]);
const MAX_SHOWN = 400;

export function Summary({ resource, object }: { readonly resource: Resource; readonly object: KubeObject }) {
  const isSecret = resource.group === '' && resource.resource === 'secrets';
  return (
    <div class="panels">
      <MetadataPanel object={object} />
      <Conditions object={object} />
      <Containers object={object} />
      <PortHint resource={resource} object={object} />
      <Fields title={t('summary.spec')} value={mapAt(object, 'spec')} namespace={object.metadata?.namespace ?? ''} />
      <Fields
        title={t('summary.status')}
        value={mapAt(object, 'status')}
        namespace={object.metadata?.namespace ?? ''}
      />
      <Rules object={object} />
      <Data object={object} isSecret={isSecret} />
    </div>
  );
}

export function Panel({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function MetadataPanel({ object }: { readonly object: KubeObject }) {
  const {
    namespace = '',
    name,
    creationTimestamp = '',
    labels,
    annotations,
    ownerReferences = [],
    finalizers = [],
  } = object.metadata ?? {};
  const age = humanDuration(Math.max(0, now.value - Date.parse(creationTimestamp)));
  return (
    <Panel title={t('summary.metadata')}>
      <dl class="facts">
        <dt>{t('summary.name')}</dt>
        <dd>{name}</dd>
        {namespace && (
          <>
            <dt>{t('summary.namespace')}</dt>
            <dd>
              <ObjectLink group="" resource="namespaces" namespace="" name={namespace} />
            </dd>
          </>
        )}
        <dt>{t('summary.created')}</dt>
        <dd>
          {creationTimestamp} <span class="muted">({t('summary.ago', { age })})</span>
        </dd>
        <Chips title={t('summary.labels')} values={labels} />
        <Chips title={t('summary.annotations')} values={annotations} />
        {ownerReferences.length > 0 && (
          <>
            <dt>{t('summary.owners')}</dt>
            <dd>
              {ownerReferences.map((owner) => (
                <div key={owner.uid}>
                  <KindLink {...owner} namespace={namespace} />
                </div>
              ))}
            </dd>
          </>
        )}
        {finalizers.length > 0 && (
          <>
            <dt>{t('summary.finalizers')}</dt>
            <dd>{finalizers.join(', ')}</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

function Chips({
  title,
  values,
}: {
  readonly title: string;
  readonly values: Readonly<Record<string, string>> | undefined;
}) {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return null;
  return (
    <>
      <dt>{title}</dt>
      <dd class="chips">
        {entries.map(([key, value]) => (
          <span class="chip" key={key} title={value}>
            {key}: {value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value}
          </span>
        ))}
      </dd>
    </>
  );
}

function Conditions({ object }: { readonly object: KubeObject }) {
  const conditions = listAt(object, 'status', 'conditions');
  if (conditions.length === 0) return null;
  return (
    <Panel title={t('summary.conditions')}>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">{t('summary.condition')}</th>
            <th scope="col">{t('summary.status')}</th>
            <th scope="col">{t('summary.reason')}</th>
            <th scope="col">{t('summary.message')}</th>
            <th scope="col">{t('summary.since')}</th>
          </tr>
        </thead>
        <tbody>
          {conditions.map((condition) => {
            const since = Date.parse(textAt(condition, 'lastTransitionTime'));
            return (
              <tr key={textAt(condition, 'type')}>
                <td>{textAt(condition, 'type')}</td>
                <td>{textAt(condition, 'status')}</td>
                <td>{textAt(condition, 'reason')}</td>
                <td>{textAt(condition, 'message')}</td>
                <td>{Number.isNaN(since) ? '' : humanDuration(Math.max(0, now.value - since))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}

/** Of a pod, or of the pods that an object makes. */
function Containers({ object }: { readonly object: KubeObject }) {
  const template = at(object, 'spec', 'jobTemplate', 'spec', 'template') ?? at(object, 'spec', 'template');
  const spec = at(template, 'spec') ?? at(object, 'spec');
  const containers = ['initContainers', 'containers', 'ephemeralContainers'].flatMap((field) => listAt(spec, field));
  if (containers.length === 0) return null;
  const statuses = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'].flatMap((field) =>
    listAt(object, 'status', field),
  );
  return (
    <Panel title={t('summary.containers')}>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">{t('summary.container')}</th>
            <th scope="col">{t('summary.image')}</th>
            {statuses.length > 0 && <th scope="col">{t('summary.state')}</th>}
            {statuses.length > 0 && <th scope="col">{t('summary.restarts')}</th>}
            <th scope="col">{t('summary.ports')}</th>
            <th scope="col">{t('summary.resources')}</th>
          </tr>
        </thead>
        <tbody>
          {containers.map((container) => {
            const name = textAt(container, 'name');
            const status = statuses.find((one) => textAt(one, 'name') === name);
            const state = stateOf(status);
            return (
              <tr key={name}>
                <td>{name}</td>
                <td>{textAt(container, 'image')}</td>
                {statuses.length > 0 && (
                  <td>
                    <span class={`status ${toneOf(state)}`}>{state}</span>{' '}
                    <span class="muted">{textAt(waitingOf(status), 'message')}</span>
                  </td>
                )}
                {statuses.length > 0 && <td>{textAt(status, 'restartCount')}</td>}
                <td>
                  {listAt(container, 'ports')
                    .map((port) => `${textAt(port, 'containerPort')}/${textAt(port, 'protocol')}`)
                    .join(', ')}
                </td>
                <td>{resourcesOf(container)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}

const waitingOf = (status: unknown): unknown => at(status, 'state', 'waiting') ?? at(status, 'state', 'terminated');

function stateOf(status: unknown): string {
  const [state = ''] = Object.keys(mapAt(status, 'state'));
  if (state === 'running') return 'Running';
  return textAt(waitingOf(status), 'reason') || state;
}

const resourcesOf = (container: unknown): string =>
  ['cpu', 'memory']
    .map((name) => [
      name,
      textAt(container, 'resources', 'requests', name),
      textAt(container, 'resources', 'limits', name),
    ])
    .filter(([, request, limit]) => request !== '' || limit !== '')
    .map(([name, request, limit]) => `${name}: ${request || '–'} / ${limit || '–'}`)
    .join(', ');

/** How to reach a port from the user's own machine, which a page cannot do. */
function PortHint({
  resource: { group, resource },
  object,
}: {
  readonly resource: Resource;
  readonly object: KubeObject;
}) {
  if (group !== '' || (resource !== 'pods' && resource !== 'services')) return null;
  const port =
    resource === 'pods'
      ? textAt(listAt(listAt(object, 'spec', 'containers')[0], 'ports')[0], 'containerPort')
      : textAt(listAt(object, 'spec', 'ports')[0], 'port');
  if (port === '') return null;
  const { name = '', namespace = '' } = object.metadata ?? {};
  const local = Number(port) < 1024 ? Number(port) + 8000 : port;
  const command = `kubectl port-forward -n ${namespace} ${resource.slice(0, -1)}/${name} ${local}:${port}`;
  return (
    <section class="panel">
      <p>{t('summary.port-hint', { command: '' })}</p>
      <pre>
        <code>{command}</code>
      </pre>
    </section>
  );
}

/** Fields of one value each, and short lists and maps; the rest is in the YAML. */
function Fields({
  title,
  value,
  namespace,
}: {
  title: string;
  value: Readonly<Record<string, unknown>>;
  namespace: string;
}) {
  const entries = Object.entries(value).filter(
    ([name, one]) =>
      !NOT_LISTED.has(name) && name !== 'conditions' && !name.endsWith('Statuses') && shown(one).length <= MAX_SHOWN,
  );
  if (entries.length === 0) return null;
  return (
    <Panel title={title}>
      <dl class="facts">
        {entries.map(([name, one]) => (
          <Field key={name} name={name} value={one} namespace={namespace} />
        ))}
      </dl>
    </Panel>
  );
}

const LINKED = new Map<string, readonly [group: string, resource: string]>([
  ['nodeName', ['', 'nodes']],
  ['serviceAccountName', ['', 'serviceaccounts']],
  ['storageClassName', ['storage.k8s.io', 'storageclasses']],
  ['ingressClassName', ['networking.k8s.io', 'ingressclasses']],
  ['priorityClassName', ['scheduling.k8s.io', 'priorityclasses']],
  ['volumeName', ['', 'persistentvolumes']],
]);

function Field({ name, value, namespace }: { name: string; value: unknown; namespace: string }) {
  const link = LINKED.get(name);
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {link && typeof value === 'string' ? (
          <ObjectLink group={link[0]} resource={link[1]} namespace={namespace} name={value} />
        ) : typeof value === 'object' ? (
          <code>{shown(value)}</code>
        ) : (
          shown(value)
        )}
      </dd>
    </>
  );
}

/** Of roles and bindings. */
function Rules({ object }: { readonly object: KubeObject }) {
  const rules = listAt(object, 'rules');
  const subjects = listAt(object, 'subjects');
  const role = at(object, 'roleRef');
  const words = (rule: unknown, field: string): string => listAt(rule, field).map(shown).join(', ');
  const namespace = object.metadata?.namespace ?? '';
  return (
    <>
      {rules.length > 0 && (
        <Panel title={t('summary.rules')}>
          <table class="plain">
            <tbody>
              {rules.map((rule, index) => (
                <tr key={index}>
                  <td>{words(rule, 'verbs')}</td>
                  <td>
                    {words(rule, 'resources')}
                    {words(rule, 'nonResourceURLs')}
                    {words(rule, 'resourceNames') && ` (${words(rule, 'resourceNames')})`}
                    {textAt(rule, 'host')}
                  </td>
                  <td class="muted">{words(rule, 'apiGroups')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
      {role !== undefined && (
        <Panel title={t('summary.subjects')}>
          <p>
            <KindLink
              apiVersion={`${textAt(role, 'apiGroup')}/v1`}
              kind={textAt(role, 'kind')}
              namespace={namespace}
              name={textAt(role, 'name')}
            />
          </p>
          <ul class="tree">
            {subjects.map((subject) => (
              <li key={shown(subject)}>
                {textAt(subject, 'kind')} {textAt(subject, 'namespace')} {textAt(subject, 'name')}
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}

function Data({ object, isSecret }: { readonly object: KubeObject; readonly isSecret: boolean }) {
  const revealed = useSignal(!isSecret);
  const entries = ['data', 'binaryData', 'stringData'].flatMap((field) => Object.entries(mapAt(object, field)));
  if (entries.length === 0) return null;
  const valueOf = (value: unknown): string => (isSecret ? decoded(shown(value)) : shown(value));
  return (
    <Panel title={t('summary.data')}>
      {isSecret && (
        <button type="button" onClick={() => (revealed.value = !revealed.value)}>
          {revealed.value ? t('summary.hide') : t('summary.reveal')}
        </button>
      )}
      <dl class="facts">
        {entries.map(([key, value]) => (
          <>
            <dt>{key}</dt>
            <dd>
              {revealed.value ? (
                <pre class="values">{valueOf(value)}</pre>
              ) : (
                <span class="muted">{t('summary.bytes', { count: valueOf(value).length })}</span>
              )}
            </dd>
          </>
        ))}
      </dl>
    </Panel>
  );
}

/** The bytes as text where they are text; otherwise as they are written. */
function decoded(base64: string): string {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return base64;
  }
}
