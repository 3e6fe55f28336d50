/** Listeners, of a Gateway and of a ListenerSet. */
import {
  atomicList,
  conditions,
  hostname,
  integer,
  listBy,
  object,
  oneOf,
  portNumber,
  routeKind,
  rule,
  secretReference,
  sectionName,
  text,
  textMap,
  withDefault,
  withRules,
  type Schema,
} from './schema.ts';

const strings = atomicList({ type: 'string' });
const selector: Schema = {
  ...object({
    matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
    matchExpressions: atomicList(
      object({ key: { type: 'string' }, operator: { type: 'string' }, values: strings }, ['key', 'operator']),
    ),
  }),
  'x-kubernetes-map-type': 'atomic',
};
/** Which namespaces may have something. */
const namespacesFrom = (standard: string, ...others: readonly string[]): Schema =>
  withDefault(object({ from: withDefault(oneOf('All', 'Selector', 'Same', ...others), standard), selector }), {
    from: standard,
  });
const allowedRoutes = object({ kinds: atomicList(routeKind, 8), namespaces: namespacesFrom('Same') });
/** Which namespaces may have ListenerSets of a Gateway. */
export const allowedListeners = object({ namespaces: namespacesFrom('None', 'None') });

const tls = withRules(
  object({
    mode: withDefault(oneOf('Terminate', 'Passthrough'), 'Terminate'),
    certificateRefs: atomicList(secretReference, 64),
    options: textMap(16, text(4_096, 0)),
  }),
  rule(
    "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true",
    'mode Terminate needs certificateRefs or options',
  ),
);
const listener = object(
  {
    name: sectionName,
    hostname,
    port: portNumber,
    protocol: text(
      255,
      1,
      '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$',
    ),
    tls,
    allowedRoutes: withDefault(allowedRoutes, { namespaces: { from: 'Same' } }),
  },
  ['name', 'port', 'protocol'],
);
const SAME_PLACE =
  'l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))';

/** @param differ the rule that listeners differ in port, protocol or hostname */
const listenersWith = (differ: string): Schema =>
  withRules(
    { ...listBy('name', listener, 64), minItems: 1 },
    rule(
      "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
      'listeners of protocol HTTP, TCP or UDP have no tls',
    ),
    rule(
      "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
      'the tls mode of listeners of protocol HTTPS is Terminate',
    ),
    rule(
      "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))",
      'listeners of protocol TLS need a tls mode',
    ),
    rule(
      "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)",
      'listeners of protocol TCP or UDP have no hostname',
    ),
    rule('self.all(l1, self.exists_one(l2, l1.name == l2.name))', 'each listener needs a name of its own'),
    rule(differ, 'listeners have to differ in port, protocol or hostname'),
  );
export const gatewayListeners = listenersWith(`self.all(l1, self.exists_one(l2, l1.port == l2.port && ${SAME_PLACE}))`);
export const setListeners = listenersWith(
  `self.all(l1, !has(l1.port) || self.exists_one(l2, has(l2.port) && l1.port == l2.port && ${SAME_PLACE}))`,
);

export const listenerStatuses = listBy(
  'name',
  object({ name: sectionName, supportedKinds: atomicList(routeKind, 8), attachedRoutes: integer(), conditions }, [
    'attachedRoutes',
    'conditions',
    'name',
  ]),
  64,
);
