import { test } from 'tap';
import { parseClusterConfiguration } from '../../../agent/join/cluster-configuration.ts';
import { clusterNetwork } from '../../../agent/join/cluster-network.ts';

const NOTHING = { clusterCidr: '', serviceCidr: '', clusterDomain: '', clusterDns: '' };
const KUBEADM = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/12', clusterDomain: 'cluster.example' };

function networkOf(settings: Partial<typeof NOTHING>, learned: Partial<typeof KUBEADM>) {
  const warnings: object[] = [];
  const quiet = () => undefined;
  const logger = { debug: quiet, info: quiet, warn: (fields: object) => void warnings.push(fields), error: quiet };
  const { podRanges, serviceRanges, dns } = clusterNetwork({ ...NOTHING, ...settings }, learned, logger);
  return {
    pods: podRanges.join(),
    services: serviceRanges.join(),
    dns: `${dns.servers.join()} ${dns.domain}`,
    warnings,
  };
}

test("settings of the node take precedence over the cluster's, and these over the defaults", (t) => {
  t.strictSame(networkOf({}, {}), {
    ...{ pods: '10.42.0.0/16', services: '10.43.0.0/16', dns: '10.43.0.10 cluster.local', warnings: [] },
  });
  t.strictSame(networkOf({}, KUBEADM), {
    ...{ pods: '10.244.0.0/16', services: '10.96.0.0/12', dns: '10.96.0.10 cluster.example', warnings: [] },
  });
  const own = { clusterCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16', clusterDomain: 'a.b', clusterDns: '10.9.9.9' };
  t.match(networkOf(own, {}), { pods: '10.1.0.0/16', services: '10.2.0.0/16', dns: '10.9.9.9 a.b', warnings: [] });
  t.match(networkOf({ serviceCidr: '10.2.0.0/16' }, {}), { dns: '10.2.0.10 cluster.local' });
  t.match(networkOf(KUBEADM, KUBEADM), { warnings: [] }, "settings equal to the cluster's");
  t.end();
});

test("a setting that differs from the cluster's is used, and logged with both values", (t) => {
  const { pods, services, dns, warnings } = networkOf({ clusterCidr: '10.1.0.0/16', clusterDns: '10.1.1.1' }, KUBEADM);
  t.strictSame([pods, services, dns], ['10.1.0.0/16', '10.96.0.0/12', '10.1.1.1 cluster.example']);
  t.strictSame(warnings, [
    { setting: 'cluster-cidr', value: '10.1.0.0/16', clusterValue: '10.244.0.0/16' },
    { setting: 'cluster-dns', value: '10.1.1.1', clusterValue: '10.96.0.10' },
  ]);
  t.end();
});

test('"none" disables what the cluster provides', (t) => {
  t.match(networkOf({ serviceCidr: 'none' }, KUBEADM), {
    ...{ services: '', dns: '10.96.0.10 cluster.example', warnings: [] },
  });
  t.match(networkOf({ serviceCidr: 'none' }, {}), { services: '', dns: '10.43.0.10 cluster.local' });
  t.match(networkOf({ clusterDns: 'none' }, KUBEADM), { dns: ' cluster.example', warnings: [] });
  t.end();
});

test('both ranges of a dual-stack cluster are used, and its DNS is in the primary one', (t) => {
  const network = { clusterCidr: '10.244.0.0/16,fd00:1::/56', serviceCidr: 'fd00:2::/112,10.96.0.0/12' };
  t.match(networkOf({}, { ...KUBEADM, ...network }), {
    ...{ pods: network.clusterCidr, services: network.serviceCidr, dns: 'fd00:2::a cluster.example', warnings: [] },
  });
  t.throws(() => networkOf({ clusterCidr: '10.1.0.0/16,fd00:2::/64' }, { ...KUBEADM, ...network }), {
    message: `the range of pods 10.1.0.0/16,fd00:2::/64 overlaps with that of Services ${network.serviceCidr}`,
  });
  t.end();
});

test('overlapping pod and Service CIDRs are rejected, whatever their source', (t) => {
  t.throws(() => networkOf({ clusterCidr: '10.96.7.0/24' }, KUBEADM), {
    name: 'SettingValueError',
    message: 'the range of pods 10.96.7.0/24 overlaps with that of Services 10.96.0.0/12',
  });
  t.throws(() => networkOf({ serviceCidr: '10.2.0.0/29' }, {}), {
    name: 'SettingValueError',
    message: 'the range of Services 10.2.0.0/29 is too small, set cluster-dns',
  });
  t.match(networkOf({ serviceCidr: '10.2.0.0/29', clusterDns: '10.2.0.2' }, {}), { dns: '10.2.0.2 cluster.local' });
  t.end();
});

test('parses the kubeadm ClusterConfiguration: single-stack, dual-stack, partial', (t) => {
  const read = (networking: string) =>
    parseClusterConfiguration(`apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n${networking}`);
  t.same(read('networking: {podSubnet: "fd00:1::/56,10.244.0.0/16", serviceSubnet: 10.96.0.0/12, dnsDomain: a.b}'), {
    ...{ clusterCidr: 'fd00:1::/56,10.244.0.0/16', serviceCidr: '10.96.0.0/12', clusterDomain: 'a.b' },
  });
  t.same(read('networking: {podSubnet: "10.244.0.0/16, fd00:1::/56"}'), { clusterCidr: '10.244.0.0/16,fd00:1::/56' });
  t.throws(() => read('networking: {podSubnet: "10.1.0.0/16,10.2.0.0/16"}'), /podSubnet is not a range of addresses/);
  for (const nothing of ['', 'networking:', 'networking: {podSubnet: "", dnsDomain: null}', 'networking: [1]'])
    t.same(read(nothing), {}, nothing);
  t.same(read('networking: {serviceSubnet: "fd00::/112"}'), { serviceCidr: 'fd00::/112' }, 'IPv6 single-stack');
  t.throws(
    () => read('networking: {podSubnet: everything}'),
    /podSubnet is not a range of addresses, nor one of each family: everything/,
  );
  t.throws(() => read('networking: {podSubnet: 7}'), /podSubnet is not a string/);
  t.throws(() => read('networking: {dnsDomain: Not_A_Domain}'), /dnsDomain must be a DNS domain/);
  t.throws(() => read('networking: {'), /./);
  t.throws(() => read('networking: {serviceSubnet: 255.255.255.255/32}'), /has no address for the DNS Service/);
  const overlapping = 'networking: {podSubnet: 10.0.0.0/8, serviceSubnet: 10.96.0.0/12}';
  t.throws(() => read(overlapping), /podSubnet 10.0.0.0\/8 overlaps with serviceSubnet 10.96.0.0\/12/);
  t.end();
});
