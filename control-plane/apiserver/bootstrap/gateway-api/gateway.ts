import { allowedListeners, gatewayListeners, listenerStatuses } from './listeners.ts';
import {
  atomicList,
  conditions,
  controllerName,
  DOMAIN_PATH,
  group,
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
  rule,
  secretReference,
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
  annotations: withKeyRules(textMap(16, text(4_096, 0)), 'an annotation'),
  parametersRef: localReference,
});

const caReference = object({ group, kind, name: objectName, namespace }, ['group', 'kind', 'name']);
const frontendTls = object({
  validation: object(
    {
      caCertificateRefs: atomicList(caReference, 16, 1),
      mode: withDefault(oneOf('AllowValidOnly', 'AllowInsecureFallback'), 'AllowValidOnly'),
    },
    ['caCertificateRefs'],
  ),
});
const tls = object({
  backend: object({ clientCertificateRef: secretReference }),
  frontend: object(
    {
      default: frontendTls,
      perPort: withRules(
        listBy('port', object({ port: portNumber, tls: frontendTls }, ['port', 'tls']), 64),
        rule('self.all(t1, self.exists_one(t2, t1.port == t2.port))', 'each port may be there once'),
      ),
    },
    ['default'],
  ),
});

const GATEWAY_PENDING = pending('Accepted', 'Programmed');
export const gatewaySchema = object(
  {
    spec: object(
      {
        gatewayClassName: objectName,
        listeners: gatewayListeners,
        allowedListeners,
        addresses: withRules(atomicList(wantedAddress, 16), areUnique('IPAddress'), areUnique('Hostname')),
        infrastructure,
        tls,
      },
      ['gatewayClassName', 'listeners'],
    ),
    status: withDefault(
      object({
        addresses: atomicList(givenAddress, 16),
        conditions: withDefault(conditions, GATEWAY_PENDING),
        listeners: listenerStatuses,
        attachedListenerSets: integer(),
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
