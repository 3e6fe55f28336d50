/** Settings of `kedge ingress-controller`. */
import { validateLabelName } from '../../api/machinery/names.ts';
import { MAX_PORT } from '../../api/domain/port-number.ts';
import { INGRESS_NAMESPACE } from '../../api/domain/ingress-addon.ts';
import { IpAddress } from '../../api/domain/address.ts';
import { integerFrom, logLevelRule, notEmpty, readableBy, type SettingRules } from '../../daemon/setting-rules.ts';
import { readGatewayPorts } from './gateway-ports.ts';

export const defaultIngressConfig = {
  kubeconfig: '',
  httpPort: 80,
  httpsPort: 443,
  statusPort: 10_254,
  gatewayPorts: [] as readonly string[],
  bindAddress: ['0.0.0.0', '::'] as readonly string[],
  maxConnections: 20_000,
  drainSeconds: 600,
  accessLog: true,
  allowExternalName: false,
  publishStatusAddress: [] as readonly string[],
  secretRefreshSeconds: 60,
  namespace: INGRESS_NAMESPACE,
  directory: '/tmp/kedge-ingress',
  haproxy: 'haproxy',
  logLevel: 'info',
};

export type IngressConfig = Readonly<typeof defaultIngressConfig>;

const ingressConfigHelp: Readonly<Record<keyof IngressConfig, string>> = {
  kubeconfig: "kubeconfig of the cluster; the pod's own ServiceAccount when empty",
  httpPort: 'port of HTTP',
  httpsPort: 'port of HTTPS',
  statusPort: 'port of /healthz and /metrics',
  gatewayPorts:
    'ports that listeners of Gateways may have beside 80 and 443, as 8080 or 9000-9010 (docs/gateway-api.md)',
  bindAddress: 'addresses to listen on; those of a family that the host does not have are left out',
  maxConnections: 'connections of clients at the same time',
  drainSeconds: 'seconds that connections of a configuration which was replaced may last',
  accessLog: 'write a line of JSON for each request to stdout',
  allowExternalName: 'serve Services of type ExternalName: whoever may make one can then have any host asked',
  publishStatusAddress: 'addresses for the status of Ingresses; those of the nodes that run the controller when empty',
  secretRefreshSeconds: 'how often Secrets and ConfigMaps that Ingresses name are read again',
  namespace: "the controller's own namespace",
  directory: 'directory for configuration and sockets, which is made anew',
  haproxy: 'the program haproxy, 2.6 or later',
  logLevel: 'trace, debug, info, warn, error or fatal',
};

const addresses = (values: readonly string[]): string | undefined => {
  const odd = values.find((value) => IpAddress.parse(value)?.text !== value);
  return odd === undefined ? undefined : `must list IP addresses, not ${JSON.stringify(odd)}`;
};
/** Sockets are in it, whose paths may have 107 characters. */
const MAX_DIRECTORY = 80;
const DAY_SECONDS = 86_400;

const ingressConfigRules: SettingRules<IngressConfig> = {
  httpPort: integerFrom(1, MAX_PORT),
  httpsPort: integerFrom(1, MAX_PORT),
  statusPort: integerFrom(1, MAX_PORT),
  gatewayPorts: readableBy((texts) => texts.map(readGatewayPorts)),
  bindAddress: (values) => (values.length === 0 ? 'must list an address' : addresses(values)),
  maxConnections: integerFrom(1, 1_000_000),
  drainSeconds: integerFrom(1, DAY_SECONDS),
  publishStatusAddress: addresses,
  secretRefreshSeconds: integerFrom(1, DAY_SECONDS),
  namespace: (name) => (validateLabelName(name).length === 0 ? undefined : 'must be the name of a namespace'),
  directory: (directory) =>
    directory.startsWith('/') && directory.length <= MAX_DIRECTORY && !/[\s\p{Cc};\\]/u.test(directory)
      ? undefined
      : `must be an absolute path of up to ${MAX_DIRECTORY} characters without spaces`,
  haproxy: notEmpty,
  logLevel: logLevelRule,
};

export const ingressSettings = { defaults: defaultIngressConfig, help: ingressConfigHelp, rules: ingressConfigRules };
