import { test } from 'tap';
import type { SharedSetting } from '../../../api/domain/server-join.ts';
import { defaultServerConfig, serverSettings } from '../../../control-plane/config.ts';
import { agree, FILES, sharedSettings } from '../../../control-plane/joining/shared-settings.ts';

const given = (settings: Record<string, SharedSetting>): ReadonlyMap<string, SharedSetting> =>
  new Map(Object.entries(settings));
const CLUSTER = sharedSettings({
  ...defaultServerConfig,
  ...{ store: 'etcd', serviceCidr: '10.96.0.0/16', tlsSan: ['api.example'], dataDir: '/first', logLevel: 'debug' },
});

test('a server takes over what the cluster has and what is not of a host alone', (t) => {
  t.strictSame(agree(given({}), CLUSTER), {
    settings: { store: 'etcd', serviceCidr: '10.96.0.0/16', tlsSan: ['api.example'] },
    contradictions: [],
    unknown: [],
  });
  const own = { dataDir: '/second', advertiseAddress: '10.0.0.2', tlsSan: ['other.example'] };
  const { settings, contradictions } = agree(given(own), CLUSTER);
  t.strictSame(settings, { store: 'etcd', serviceCidr: '10.96.0.0/16', ...own });
  t.strictSame(contradictions, [], 'a host has its own address, and may have its own names');
  t.end();
});

test('a setting that contradicts the cluster is named, also where the cluster has the default', (t) => {
  const { contradictions } = agree(
    given({ serviceCidr: '10.97.0.0/16', clusterDomain: 'x.y', store: 'etcd' }),
    CLUSTER,
  );
  t.strictSame(contradictions, [
    { name: 'serviceCidr', here: '10.97.0.0/16', inCluster: '10.96.0.0/16' },
    { name: 'clusterDomain', here: 'x.y', inCluster: 'cluster.local' },
  ]);
  t.end();
});

test('a setting that this version does not know is named', (t) => {
  t.strictSame(agree(given({}), { ...CLUSTER, warpFactor: 9, constructor: 1 }).unknown, ['warpFactor', 'constructor']);
  t.end();
});

/** Files that a server writes, that say where another api-server is, that are for the one server that makes backups, or for a collector beside it. */
const NOT_GIVEN = [
  ...['portFile', 'adminKubeconfig', 'auditLogPath', 'kubeconfig'],
  ...['backupKeyFile', 'backupPassphraseFile', 'backupS3Config', 'tracingConfigFile'],
];

test('the contents of every file that a setting names are given to servers that join', (t) => {
  for (const [name, help] of Object.entries(serverSettings.help)) {
    const isFile = /\bfiles?\b(?! and level)/i.test(help) && typeof Reflect.get(defaultServerConfig, name) === 'string';
    if (isFile && !NOT_GIVEN.includes(name)) t.ok(FILES.has(name), `${name}: ${help}`);
  }
  for (const name of FILES) t.notOk(name in CLUSTER, `the path of ${name} is nothing to another host`);
  t.end();
});
