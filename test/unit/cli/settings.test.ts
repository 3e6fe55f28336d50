import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { agentSettings } from '../../../agent/config.ts';
import { rangeWarning } from '../../../agent/network/pod-network.ts';
import { kubeconfigFile } from '../../../cli/cluster-access.ts';
import { misspelledVariables } from '../../../cli/daemon-settings.ts';
import { loadSettings, SettingsError } from '../../../cli/settings.ts';
import { systemErrorMessage } from '../../../cli/system-error.ts';
import { serverSettings } from '../../../control-plane/config.ts';

const defaults = { dataDir: '/var/lib/x', port: 6443, tlsSan: [] as readonly string[], verbose: false };
const declaration = {
  defaults,
  help: { dataDir: '', port: '', tlsSan: '', verbose: '' },
  rules: { port: (port: number) => (port < 65536 ? undefined : `must be less, not ${port}`) },
};

t.test('precedence: flag, file, environment, default', async (t) => {
  const file = path.join(t.testdir({}), 's.yaml');
  await writeFile(file, 'port: 2\ndata-dir: /file\ntls-san: [a, b]\n');
  const environment = { KEDGE_PORT: '3', KEDGE_DATA_DIR: '/env', KEDGE_VERBOSE: 'true' };
  t.same(await loadSettings(declaration, { config: file, port: '1' }, environment), {
    port: 1,
    dataDir: '/file',
    tlsSan: ['a', 'b'],
    verbose: true,
  });
  t.same(await loadSettings(declaration, {}, {}), defaults);
});

t.test('an unusable setting is one sentence that says where it is', async (t) => {
  const folder = t.testdir({
    unknown: 'data-dri: /x\n',
    list: '- a\n',
    broken: 'a: [',
    type: 'port: many\n',
    others: 'server: x\n',
  });
  const load = (name: string) => loadSettings(declaration, { config: path.join(folder, name) }, {});
  await t.rejects(
    load('unknown'),
    new SettingsError(`${folder}/unknown: unknown setting "data-dri"; did you mean data-dir?`),
  );
  await t.rejects(
    load('others'),
    new SettingsError(`${folder}/others: unknown setting "server"; --help lists the settings`),
  );
  await t.rejects(load('list'), new SettingsError(`${folder}/list must hold settings as "key: value" lines`));
  await t.rejects(load('broken'), {
    message: /^\S+broken is not valid YAML: [^\n]+ at line 1, column \d+; write "key: value" lines$/,
  });
  await t.rejects(load('type'), new SettingsError(`${folder}/type: port must be a number, not "many"`));
  await t.rejects(
    load('missing'),
    new SettingsError(`failed to read configuration file ${folder}/missing: no such file or directory`),
  );
  await t.rejects(
    loadSettings(declaration, { config: folder }, {}),
    new SettingsError(`failed to read configuration file ${folder}: is a directory`),
  );
  await t.rejects(
    loadSettings(declaration, {}, { KEDGE_PORT: '' }),
    new SettingsError('KEDGE_PORT must be a number, not ""'),
  );
});

t.test('an invalid value is reported with its source: flag, line of the file, variable', async (t) => {
  const config = path.join(t.testdir({ 's.yaml': 'port: 65536\n' }), 's.yaml');
  const sentence = (where: string): SettingsError => new SettingsError(`${where} must be less, not 65536`);
  await t.rejects(loadSettings(declaration, { port: '65536', config }, {}), sentence('--port'));
  await t.rejects(loadSettings(declaration, { config }, { KEDGE_PORT: '65536' }), sentence(`${config}: port`));
  await t.rejects(loadSettings(declaration, {}, { KEDGE_PORT: '65536' }), sentence('KEDGE_PORT'));
});

t.test('a missing required setting is reported with the ways to set it', async (t) => {
  const config = path.join(t.testdir({ 's.yaml': 'port: 1\n' }), 's.yaml');
  const load = (flags: object) => loadSettings(agentSettings, { ...flags }, {}, ['server']);
  const ways = 'give --server, KEDGE_SERVER, or a line "server: ..." in';
  await t.rejects(load({}), new SettingsError(`server is not set: ${ways} the file that --config names`));
  await t.rejects(load({ config }), new SettingsError(`server is not set: ${ways} ${config}`));
  await t.resolves(loadSettings(agentSettings, {}, {}), 'kedge reset asks no server');
});

/** The error for each flag with the value. */
const AGENT_REFUSALS: readonly [flags: Record<string, string>, sentence: RegExp][] = [
  [{ server: '10.0.0.1' }, /^--server must be like https:\/\/10\.0\.0\.1:6443, not "10\.0\.0\.1"$/],
  [{ caHash: 'abc' }, /^--ca-hash must be "sha256:" and 64 hexadecimal digits, not "abc"$/],
  [{ nodeName: 'Bad_Name' }, /^--node-name must be a name of up to 63 lower-case letters.*, not "Bad_Name"$/],
  [{ nodeName: 'a'.repeat(64) }, /^--node-name must be a name of up to 63/],
  [
    { nodeIp: 'localhost' },
    /^--node-ip must be an IP address such as 10\.0\.0\.1, or one of IPv4 and one of IPv6 .*, not "localhost"$/,
  ],
  [{ nodeIp: '10.0.0.256' }, /^--node-ip must be an IP address/],
  [{ nodeIp: '10.0.0.1, fd00::1' }, /^--node-ip must be an IP address/],
  [{ nodeIp: 'fe80::1' }, /^--node-ip must be an address that other hosts reach this one at, not fe80::1$/],
  [{ nodeIp: '10.0.0.1,10.0.0.2' }, /^--node-ip must have one address of IPv4 and one of IPv6, not two of IPv4/],
  [{ nodeIp: '0.0.0.0' }, /^--node-ip must be an address that other hosts reach this one at, not 0\.0\.0\.0$/],
  [{ nodeLabels: 'a=b,disk' }, /^--node-labels cannot be used: "disk" is not key=value$/],
  [{ nodeLabels: 'a b=c' }, /^--node-labels cannot be used: "a b=c": name part must consist of/],
  [{ nodeLabels: 'a=b c' }, /^--node-labels cannot be used: "a=b c": a valid label must be/],
  [{ nodeTaints: 'a=b:Never' }, /^--node-taints cannot be used: "a=b:Never" is not key=value:effect with one of/],
  [{ nodeTaints: '-=b:NoSchedule' }, /^--node-taints cannot be used: .* name part must consist of/],
  [{ maxPods: '-1' }, /^--max-pods must be a whole number of at least 0, not -1$/],
  [{ maxPods: 'many' }, /^--max-pods must be a number, not "many"$/],
  [{ reserved: 'cpu' }, /^--reserved cannot be used: "cpu" is not RESOURCE=QUANTITY$/],
  [{ reserved: 'cpu=lots' }, /^--reserved cannot be used: "cpu=lots" is not RESOURCE=QUANTITY$/],
  [{ evictionHard: 'nodefs<1' }, /^--eviction-hard cannot be used: "nodefs<1" is not SIGNAL<AMOUNT with one of/],
  [{ evictionHard: 'memory.available<x' }, /^--eviction-hard cannot be used: .* ends in no amount such as/],
  [{ dataDir: '' }, /^--data-dir must not be empty$/],
  [{ clusterDns: 'dns' }, /^--cluster-dns must be an IP address/],
  [{ clusterDomain: 'Cluster' }, /^--cluster-domain must be a DNS domain of lower-case letters/],
  [
    { clusterCidr: '10.42.0.0' },
    /^--cluster-cidr must be a CIDR such as 10\.42\.0\.0\/16, or one of IPv4 and one of IPv6/,
  ],
  [{ clusterCidr: 'fd00:0::/64' }, /^--cluster-cidr must be written as fd00::\/64, not fd00:0::\/64$/],
  [{ serviceCidr: '10.43.0.1/16' }, /^--service-cidr must be written as 10\.43\.0\.0\/16, not 10\.43\.0\.1\/16$/],
  [
    { serviceCidr: '10.42.7.0/24', clusterCidr: '10.42.0.0/16' },
    /^--service-cidr must not overlap with the pods' range 10\.42\.0\.0\/16/,
  ],
  [{ bridgeName: 'a-name-that-is-too-long' }, /^--bridge-name must be the name of a link/],
  [{ bridgeMtu: '20' }, /^--bridge-mtu must be a whole number from 68 to 65535, not 20$/],
  [{ hostRoutes: 'maybe' }, /^--host-routes must be true or false, not "maybe"$/],
  [{ bindAddress: 'eth0' }, /^--bind-address must be an IP address/],
  [{ port: '70000' }, /^--port must be a whole number from 1 to 65535, not 70000$/],
  [{ port: '1.5' }, /^--port must be a whole number/],
  [{ logLevel: 'foo' }, /^--log-level must be one of trace, debug, info, warn, error, fatal, silent, not "foo"$/],
];
const SERVER_REFUSALS: readonly [flags: Record<string, string>, sentence: RegExp][] = [
  [{ dataDir: '' }, /^--data-dir must not be empty$/],
  [{ bindAddress: 'all' }, /^--bind-address must be an IP address/],
  [{ port: '65536' }, /^--port must be a whole number from 0 to 65535, not 65536$/],
  [{ advertiseAddress: 'host.example' }, /^--advertise-address must be an IP address/],
  [
    { tlsSan: 'ok.example,*.ok.example,not ok' },
    /^--tls-san must list DNS names and IP addresses, and "not ok" is neither$/,
  ],
  [{ serviceCidr: '10.0.0.0/8' }, /^--service-cidr must have a prefix of \/12 to \/28, not 10\.0\.0\.0\/8$/],
  [{ serviceCidr: 'all' }, /^--service-cidr must be a CIDR/],
  [{ clusterCidr: '10.43.0.0/17' }, /^--cluster-cidr must not overlap with the Services' range 10\.43\.0\.0\/16/],
  [{ clusterCidr: 'bad' }, /^--cluster-cidr must be a CIDR/],
  [
    { clusterCidr: '10.1.0.0/16,10.2.0.0/16' },
    /^--cluster-cidr must have one range of IPv4 and one of IPv6, not two of/,
  ],
  [
    { clusterCidr: 'fd00:42::/56' },
    /^--cluster-cidr must have a range of IPv4, too, since service-cidr has 10\.43\.0\.0\/16$/,
  ],
  [
    { serviceCidr: '10.43.0.0/16,fd00:43::/48', clusterCidr: '10.42.0.0/16,fd00:42::/56' },
    /^--service-cidr must have a prefix of \/64 to \/124, not fd00:43::\/48$/,
  ],
  [
    { serviceCidr: '10.43.0.0/16,fd00:42::/112', clusterCidr: '10.42.0.0/16,fd00:42::/56' },
    /^--cluster-cidr must not overlap with the Services' range 10\.43\.0\.0\/16,fd00:42::\/112/,
  ],
  [
    { clusterCidr: '10.42.0.0/16,fd00:42::/56', nodeCidrMaskSize: '25' },
    /^--node-cidr-mask-size must be 0 with two pod ranges, which have node-cidr-mask-size-ipv4 and .*, not 25$/,
  ],
  [
    { clusterCidr: '10.42.0.0/16,fd00:42::/56', nodeCidrMaskSizeIpv6: '48' },
    /^--node-cidr-mask-size-ipv6 must be a whole number from 56 to 126, not 48$/,
  ],
  [
    { advertiseAddress: 'fd00::1' },
    /^--advertise-address must be an address of IPv4, as the first range of Services 10\.43\.0\.0\/16 is/,
  ],
  [
    { nodeCidrMaskSizeIpv6: '64' },
    /^--node-cidr-mask-size-ipv6 must be 0, since cluster-cidr has no range of IPv6, not 64$/,
  ],
  [{ nodeCidrMaskSize: '8' }, /^--node-cidr-mask-size must be a whole number from 16 to 30, not 8$/],
  [{ clusterDomain: '' }, /^--cluster-domain must be a DNS domain/],
  [{ serviceNodePortRange: '30000' }, /^--service-node-port-range cannot be used: "30000" is not a range of ports/],
  [{ serviceNodePortRange: '2-1' }, /^--service-node-port-range cannot be used/],
  [{ maxRequestsInflight: '-1' }, /^--max-requests-inflight must be a whole number of at least 0/],
  [{ roles: 'foo' }, /^--roles must list some of apiserver, scheduler, controllers, and "foo" is none of them$/],
  [{ roles: '' }, /^--roles must list some of apiserver, scheduler, controllers$/],
  [
    { roles: 'scheduler' },
    /^--kubeconfig must name the kubeconfig of an api-server, since none is among the roles scheduler$/,
  ],
  [
    { controllers: '*,-job' },
    /^--controllers must list "\*", names .+, and "-job" is none of them; the names are .+job-controller/,
  ],
  [{ controllers: '-job-controller' }, /^--controllers must leave some controller; without any, remove controllers/],
  [{ controllers: '' }, /^--controllers must leave some controller/],
  [{ nodeMonitorGracePeriodSeconds: '0' }, /^--node-monitor-grace-period-seconds must be greater than 0, not 0$/],
  [{ logLevel: 'foo' }, /^--log-level must be one of/],
  [{ authorizationMode: 'Node,OPA' }, /^--authorization-mode must list some of ABAC, .*, each once, not "OPA"$/],
  [{ authorizationMode: 'RBAC,RBAC' }, /^--authorization-mode must list some of .*, each once, not "RBAC"$/],
  [
    { authorizationMode: 'AlwaysAllow' },
    /^--authorization-mode must not have AlwaysAllow unless anonymous-auth is false/,
  ],
  [{ authorizationMode: 'RBAC', authorizationConfig: '/x' }, /^--authorization-mode must not be set, since/],
  [{ authorizationMode: 'ABAC' }, /^--authorization-policy-file must be set, since authorization-mode has ABAC$/],
  [{ authorizationPolicyFile: '/x' }, /^--authorization-policy-file must be empty, since .* does not have ABAC$/],
  [{ authorizationMode: 'Webhook' }, /^--authorization-webhook-config-file must be set/],
  [{ authorizationWebhookVersion: 'v2' }, /^--authorization-webhook-version must be one of/],
  [{ authorizationWebhookCacheAuthorizedTtl: 'x' }, /^--authorization-webhook-cache-authorized-ttl must be a duration/],
];

t.test('every setting with a format rejects other values with one sentence', async (t) => {
  for (const [flags, message] of AGENT_REFUSALS)
    await t.rejects(loadSettings(agentSettings, flags, {}), { name: 'SettingsError', message }, JSON.stringify(flags));
  for (const [flags, message] of SERVER_REFUSALS)
    await t.rejects(loadSettings(serverSettings, flags, {}), { name: 'SettingsError', message }, JSON.stringify(flags));
  const fine = {
    ...{ nodeName: 'rack-7.example', nodeIp: '10.0.0.1', nodeLabels: 'a.example/b=,c=d', nodeTaints: 'x:NoExecute' },
    ...{
      serviceCidr: '',
      clusterDns: 'none',
      clusterCidr: '',
      evictionHard: 'memory.available<5%',
      reserved: 'cpu=1,cpu=200m',
    },
  };
  await t.resolves(loadSettings(agentSettings, fine, {}));
  await t.resolves(
    loadSettings(serverSettings, { roles: 'scheduler', kubeconfig: '/x', tlsSan: '*.A.example,::1' }, {}),
  );
  await t.resolves(loadSettings(serverSettings, { controllers: '*,-job-controller' }, {}));
});

t.test('an unknown variable is reported with the nearest known one', (t) => {
  t.same(misspelledVariables({ KEDGE_CONFIG: '', KEDGE_NODE_NAME: 'a', KEDGE_TLS_SAN: 'b', HOME: '/' }), []);
  t.same(misspelledVariables({ KEDGE_CLUSTR_CIDR: '10.0.0.0/8' }), [
    'ignoring unknown setting KEDGE_CLUSTR_CIDR; did you mean KEDGE_CLUSTER_CIDR?',
  ]);
  t.same(misspelledVariables({ KEDGE_PICTURE: '1' }), ['ignoring unknown setting KEDGE_PICTURE'], 'unlike all of them');
  t.end();
});

t.test('a failed system call is reported with the setting that it comes from, and a remedy', (t) => {
  const settings = { dataDir: '/var/lib/kedge', adminKubeconfig: '/etc/kedge/admin', port: 1 };
  const failed = (code: string, syscall: string, more: object) =>
    systemErrorMessage(Object.assign(new Error('raw'), { code, syscall, ...more }), settings);
  t.equal(
    failed('EACCES', 'mkdir', { path: '/var/lib/kedge/pki' }),
    'data-dir: /var/lib/kedge/pki: permission denied (mkdir); run this as root (sudo), or choose another --data-dir',
  );
  t.match(
    failed('EROFS', 'mkdir', { path: '/etc/kedge' }),
    /^admin-kubeconfig: \/etc\/kedge: the file system is read-only/,
  );
  t.equal(failed('ENOENT', 'open', { path: '/x' }), '/x: no such file or directory (open)');
  const listen = { address: '0.0.0.0', port: 6443 };
  t.equal(
    failed('EADDRINUSE', 'listen', listen),
    'cannot listen on 0.0.0.0:6443: address already in use; stop the program that uses it, or choose another --port',
  );
  t.match(failed('EADDRNOTAVAIL', 'listen', listen), /not assigned .* choose another with --bind-address$/);
  t.match(failed('EACCES', 'listen', listen), /permission denied; run this as root/);
  t.match(failed('ENOENT', 'spawn flock', { path: 'flock' }), 'the program flock failed to start');
  t.end();
});

t.test('without --kubeconfig the first existing file of $KUBECONFIG is used, as by kubectl', async (t) => {
  const folder = t.testdir({ second: '' });
  const second = path.join(folder, 'second');
  t.equal(await kubeconfigFile('/given', { KUBECONFIG: second }), '/given');
  t.equal(await kubeconfigFile(undefined, { KUBECONFIG: `:${folder}/first:${second}` }), second);
  for (const environment of [{}, { KUBECONFIG: '' }, { KUBECONFIG: `${folder}/first` }])
    t.equal(await kubeconfigFile(undefined, environment), '/etc/kedge/admin.kubeconfig');
});

t.test("an agent whose pod CIDR differs from the cluster's reports the setting and both values", (t) => {
  const ranges = clusterRanges('10.42.0.0/16,fd00:42::/56');
  const warning = (text: string): string | undefined => rangeWarning(ranges, clusterRanges(text)[0]);
  for (const text of ['10.42.7.0/24', 'fd00:42:0:7::/64']) t.equal(warning(text), undefined);
  t.match(warning('fd00:50::/64'), /^cluster-cidr is fd00:42::\/56 here/);
  t.match(warning('10.50.7.0/24'), /^cluster-cidr is 10\.42\.0\.0\/16 here, .* 10\.50\.7\.0\/24: set it/);
  t.end();
});
