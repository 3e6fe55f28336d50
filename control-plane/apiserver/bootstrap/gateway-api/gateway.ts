import {
  atomicList,
  conditions,
  controllerName,
  DOMAIN_PATH,
  group,
  hostname,
  HOSTNAME_PATTERN,
  integer,
  kind,
  LABEL_PREFIX,
  listBy,
  localReference,
  namespace,
  object,
  objectName,
  oneOf,
  pending,
  portNumber,
  routeKind,
  rule,
  sectionName,
  text,
  textMap,
  withDefault,
  withRules,
  type Schema,
} from './schema.ts';

const addressType = withDefault(text(253, 1, `^Hostname|IPAddress|NamedAddress|${DOMAIN_PATH}`), 'IPAddress');
/** The value of an address of type IPAddress is one of either family. */
const ADDRESS_VALUES = {
  oneOf: [
    { properties: { type: { enum: ['IPAddress'] }, value: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] } } },
    { properties: { type: { not: { enum: ['IPAddress'] } } } },
  ],
};
const hasName = (value: string): string => `${value}.matches(r"""${HOSTNAME_PATTERN}""")`;
const HOSTNAME_ADDRESS = `the value of a Hostname has to match ${HOSTNAME_PATTERN}`;

const wantedAddress = withRules(
  { ...object({ type: addressType, value: text(253) }), ...ADDRESS_VALUES },
  rule(`self.type == 'Hostname' ? (!has(self.value) || ${hasName('self.value')}): true`, HOSTNAME_ADDRESS),
);
const givenAddress = withRules(
  { ...object({ type: addressType, value: text(253, 1) }, ['value']), ...ADDRESS_VALUES },
  rule(`self.type == 'Hostname' ? ${hasName('self.value')}: true`, HOSTNAME_ADDRESS),
);
const areUnique = (type: string) =>
  rule(
    `self.all(a1, a1.type == '${type}' && has(a1.value) ? self.exists_one(a2, a2.type == a1.type && has(a2.value) && a2.value == a1.value) : true )`,
    `each value of type ${type} may be there once`,
  );

const withKeyRules = (schema: Schema, what: string): Schema =>
  withRules(
    schema,
    rule(
      `self.all(key, key.matches(r"""${LABEL_PREFIX}([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"""))`,
      `the key of ${what} is a name of up to 63 characters, with or without a DNS subdomain before it`,
    ),
    rule(
      'self.all(key, key.split("/")[0].size() < 253)',
      `the prefix of the key of ${what} may have up to 253 characters`,
    ),
  );
const infrastructure = object({
  labels: withKeyRules(textMap(8, text(63, 0, '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')), 'a label'),
  annotations: withKeyRules(textMap(8, text(4_096, 0)), 'an annotation'),
  parametersRef: localReference,
});

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
const SAME = { from: 'Same' };
const allowedRoutes = object({
  kinds: atomicList(routeKind, 8),
  namespaces: withDefault(object({ from: withDefault(oneOf('All', 'Selector', 'Same'), 'Same'), selector }), SAME),
});
const tls = withRules(
  object({
    mode: withDefault(oneOf('Terminate', 'Passthrough'), 'Terminate'),
    certificateRefs: atomicList(
      object({ group: withDefault(group, ''), kind: withDefault(kind, 'Secret'), name: objectName, namespace }, [
        'name',
      ]),
      64,
    ),
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
    allowedRoutes: withDefault(allowedRoutes, { namespaces: SAME }),
  },
  ['name', 'port', 'protocol'],
);
const listeners = withRules(
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
    "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)",
    'listeners of protocol TCP or UDP have no hostname',
  ),
  rule('self.all(l1, self.exists_one(l2, l1.name == l2.name))', 'each listener needs a name of its own'),
  rule(
    'self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))',
    'listeners have to differ in port, protocol or hostname',
  ),
);
const listenerStatus = object(
  {
    name: sectionName,
    supportedKinds: atomicList(routeKind, 8),
    attachedRoutes: integer(),
    conditions,
  },
  ['attachedRoutes', 'conditions', 'name', 'supportedKinds'],
);

const GATEWAY_PENDING = pending('Accepted', 'Programmed');
export const gatewaySchema = object(
  {
    spec: object(
      {
        gatewayClassName: objectName,
        listeners,
        addresses: withRules(atomicList(wantedAddress, 16), areUnique('IPAddress'), areUnique('Hostname')),
        infrastructure,
      },
      ['gatewayClassName', 'listeners'],
    ),
    status: withDefault(
      object({
        addresses: atomicList(givenAddress, 16),
        conditions: withDefault(conditions, GATEWAY_PENDING),
        listeners: listBy('name', listenerStatus, 64),
      }),
      { conditions: GATEWAY_PENDING },
    ),
  },
  ['spec'],
);

const CLASS_PENDING = pending('Accepted');
export const gatewayClassSchema = object(
  {
    spec: object(
      {
        controllerName: withRules(controllerName, rule('self == oldSelf', 'controllerName cannot be changed')),
        parametersRef: object({ group, kind, name: objectName, namespace }, ['group', 'kind', 'name']),
        description: text(64),
      },
      ['controllerName'],
    ),
    status: withDefault(
      object({
        conditions: withDefault(conditions, CLASS_PENDING),
        supportedFeatures: listBy('name', object({ name: { type: 'string' } }, ['name']), 64),
      }),
      { conditions: CLASS_PENDING },
    ),
  },
  ['spec'],
);
