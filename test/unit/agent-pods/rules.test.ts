/** How pods are translated for the runtime. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import protobuf from 'protobufjs';
import { test } from 'tap';
import { imagesToRemove } from '../../../agent/images/image-collection.ts';
import { credentialsFor } from '../../../agent/images/credentials.ts';
import { matchesGlob } from '../../../agent/images/glob.ts';
import { defaultPullPolicy, imageName, parseImageReference } from '../../../api/domain/image-reference.ts';
import { admission as admissionOf, type NodeView } from '../../../agent/pods/sync/admission.ts';
import { parseResolvConf } from '../../../agent/host/resolv-conf.ts';
import { podDns } from '../../../agent/pods/sandbox/dns.ts';
import { expand } from '../../../api/domain/expansion.ts';
import { hostsFile } from '../../../agent/pods/sandbox/hosts-file.ts';
import { logLinkName } from '../../../agent/pods/logs/container-log-links.ts';
import { podHostName } from '../../../agent/pods/sandbox/sandbox-config.ts';
import { podLogDirectory } from '../../../agent/pods/logs/log-paths.ts';
import { cgroupParent, cgroupPath, podCgroup } from '../../../agent/resources/cgroup-names.ts';
import { configuredCgroupDriver, injectsCdiDevices } from '../../../agent/cri/client.ts';
import { cpuWeight } from '../../../agent/host/cgroup-tree.ts';
import { containerResources, podLimits } from '../../../agent/resources/compute.ts';
import { qosClassOf } from '../../../api/domain/pod-resources.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

const podOf = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  metadata: { name: 'web', namespace: 'shop', uid: 'a-b' },
  spec: { containers: [], ...spec },
});
const asking = (requests?: Record<string, string>, limits?: Record<string, string>): Container => ({
  name: 'main',
  resources: { requests, limits },
});

test('the compiled descriptors match the .proto files', async (t) => {
  for (const name of ['runtime-v1', 'containerd-events-v1']) {
    const file = path.join(import.meta.dirname, '../../../proto', name);
    const compiled: unknown = JSON.parse(await readFile(`${file}.json`, 'utf8'));
    t.same(compiled, protobuf.parse(await readFile(`${file}.proto`, 'utf8')).root.toJSON(), name);
  }
});

test('QoS classes follow from requests and limits', (t) => {
  const all = { cpu: '1', memory: '1Gi' };
  t.equal(qosClassOf(podOf({ containers: [asking()] }).spec), 'BestEffort');
  t.equal(qosClassOf(podOf({ containers: [asking({ cpu: '1m' })] }).spec), 'Burstable');
  t.equal(qosClassOf(podOf({ containers: [asking(all, all)] }).spec), 'Guaranteed');
  t.equal(qosClassOf(podOf({ containers: [asking(undefined, all)] }).spec), 'Guaranteed');
  t.equal(qosClassOf(podOf({ containers: [asking(all, all), asking()] }).spec), 'Burstable');
  t.end();
});

const admission = (pod: Pod, others: readonly Pod[], node: NodeView) =>
  admissionOf({ pod, source: 'api' }, others, node);

const nodeOf = (allocatable: Record<string, string>) => ({
  allocatable,
  pressures: [],
  features: { supplementalGroupsPolicy: false },
});

test('supplementalGroupsPolicy Strict requires support by the runtime', (t) => {
  const pod = podOf({ containers: [], securityContext: { supplementalGroupsPolicy: 'Strict' } });
  t.equal(admission(pod, [], nodeOf({}))?.reason, 'SupplementalGroupsPolicyNotSupported');
  t.equal(admission(pod, [], { ...nodeOf({}), features: { supplementalGroupsPolicy: true } }), undefined);
  t.end();
});

test('a pod for another operating system is rejected', (t) => {
  const node = nodeOf({});
  const reason = (pod: Pod) => admission(pod, [], node)?.reason;
  t.equal(reason(podOf({ os: { name: 'linux' } })), undefined);
  t.equal(reason(podOf({ os: { name: 'windows' } })), 'PodOSNotSupported');
  const labelled: Pod = { metadata: { labels: { 'kubernetes.io/os': 'windows' } }, spec: { containers: [] } };
  t.equal(reason(labelled), 'PodOSSelectorNodeLabelDoesNotMatch');
  t.end();
});

test('the cgroup driver of containerd before 2.0 is read from its configuration', (t) => {
  const config = (options: object | null, handler = 'runc') =>
    JSON.stringify({ containerd: { defaultRuntimeName: handler, runtimes: { [handler]: { options } } } });
  t.equal(configuredCgroupDriver(config({ SystemdCgroup: true })), 'systemd');
  t.equal(configuredCgroupDriver(config({ SystemdCgroup: true }, 'crun')), 'systemd');
  t.equal(configuredCgroupDriver(config({ SystemdCgroup: false })), 'cgroupfs');
  t.equal(configuredCgroupDriver(config(null)), 'cgroupfs');
  t.equal(configuredCgroupDriver('{}'), 'cgroupfs');
  t.end();
});

test('a runtime that would ignore the devices of a container is known', (t) => {
  const injects = (runtimeName: string, runtimeVersion: string, config: object) =>
    injectsCdiDevices({ runtimeName, runtimeVersion, runtimeApiVersion: 'v1' }, JSON.stringify(config));
  t.equal(injects('containerd', '1.6.20', {}), false);
  t.equal(injects('containerd', 'v1.7.24', { enableCDI: false }), false);
  t.equal(injects('containerd', 'v1.7.24', { enableCDI: true }), true);
  t.equal(injects('containerd', 'v2.1.0', {}), true);
  t.equal(injects('containerd', 'v2.1.0', { enableCDI: false }), false);
  t.equal(injects('cri-o', '1.33.0', {}), true);
  t.end();
});

test('resources become CPU shares, quotas, memory limits and an OOM score', (t) => {
  const host = { memoryCapacityBytes: 4 * 2 ** 30, lowestOomScoreAdj: -1000, cgroupVersion: 1 } as const;
  const container = asking({ cpu: '250m', memory: '1Gi' }, { cpu: '1500m', memory: '2Gi' });
  const pod = podOf({ containers: [container], initContainers: [asking({ cpu: '1' })], overhead: { cpu: '100m' } });
  t.same(containerResources(pod, container, host), {
    cpuShares: 256,
    cpuPeriod: 100_000,
    cpuQuota: 150_000,
    memoryLimitInBytes: 2 * 2 ** 30,
    oomScoreAdj: 750,
  });
  t.same(containerResources(pod, container, { ...host, cgroupVersion: 2 }).unified, { 'memory.oom.group': '1' });
  t.same(
    podLimits(pod),
    { cpuShares: 1126, cpuPeriod: 100_000, hugePages: new Map() },
    'the init container has no limits',
  );
  const all = { cpu: '1', memory: '1Gi' };
  const guaranteed = podOf({ containers: [asking(all, all)] });
  t.equal(containerResources(guaranteed, asking(all, all), host).oomScoreAdj, -997);
  t.equal(containerResources(guaranteed, asking(all, all), { ...host, lowestOomScoreAdj: 0 }).oomScoreAdj, 0);
  t.equal(cpuWeight(1024), 39);
  t.end();
});

test('admission checks node resources, and ignores resources that others have added to the Node', (t) => {
  const node = nodeOf({ cpu: '1', pods: '10' });
  const refusal = (requests: Record<string, string>) =>
    admission(podOf({ containers: [asking(requests, requests)] }), [], node)?.reason;
  t.equal(refusal({ cpu: '2' }), 'OutOfcpu');
  t.equal(refusal({ 'hugepages-2Mi': '2Mi' }), 'OutOfhugepages-2Mi');
  t.equal(refusal({ cpu: '1', 'example.com/dongle': '3' }), undefined);
  t.end();
});

test('a host port belongs to one pod, per address or for all', (t) => {
  const taking = (hostIP?: string, protocol?: 'TCP' | 'UDP'): Pod =>
    podOf({ containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 8080, hostIP, protocol }] }] });
  const refusal = (pod: Pod) => admission(pod, [taking('10.0.0.1')], nodeOf({}))?.reason;
  for (const hostIP of ['10.0.0.1', '0.0.0.0', '', undefined]) t.equal(refusal(taking(hostIP)), 'NodePorts');
  t.equal(refusal(taking('10.0.0.2')), undefined);
  t.equal(refusal(taking('10.0.0.1', 'UDP')), undefined);
  const sidecar: Container = { ...taking().spec!.containers[0]!, restartPolicy: 'Always' };
  t.equal(refusal(podOf({ initContainers: [sidecar] })), 'NodePorts', 'a sidecar keeps its host ports');
  t.end();
});

test('cgroups have the names of each driver', (t) => {
  const name = podCgroup('/kedge', 'Burstable', 'a-b');
  t.equal(cgroupPath('cgroupfs', name), '/kedge/kubepods/burstable/poda-b');
  t.equal(
    cgroupPath('systemd', name),
    '/kedge.slice/kedge-kubepods.slice/kedge-kubepods-burstable.slice/kedge-kubepods-burstable-poda_b.slice',
  );
  t.equal(cgroupParent('systemd', podCgroup('', 'Guaranteed', 'a-b')), 'kubepods-poda_b.slice');
  t.end();
});

test('resolver options follow the DNS policy', (t) => {
  const cluster = { servers: ['10.43.0.10'], domain: 'cluster.local' };
  const host = parseResolvConf('# comment\nnameserver 192.0.2.53\nsearch example.com.\noptions ndots:2 rotate\n');
  const several = 'options timeout:1\noptions attempts:2 ndots:2\nnameserver 192.0.2.53\noptions rotate timeout:3\n';
  t.same(
    parseResolvConf(several).options,
    ['timeout:3', 'attempts:2', 'ndots:2', 'rotate'],
    'options lines are merged',
  );
  t.same(podDns(podOf({}), cluster, host), {
    servers: ['10.43.0.10'],
    searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'],
    options: ['ndots:5'],
  });
  t.same(podDns(podOf({ hostNetwork: true }), cluster, host), host);
  t.same(podDns(podOf({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), cluster, host).servers, [
    '10.43.0.10',
  ]);
  t.same(podDns(podOf({ dnsPolicy: 'Default' }), cluster, host), host);
  const dnsConfig = {
    nameservers: ['192.0.2.1'],
    searches: ['x'],
    options: [{ name: 'ndots', value: '1' }, { name: 'trust-ad' }],
  };
  t.same(podDns(podOf({ dnsPolicy: 'None', dnsConfig }), cluster, host), {
    servers: ['192.0.2.1'],
    searches: ['x'],
    options: ['ndots:1', 'trust-ad'],
  });
  t.end();
});

test("host names, hosts files and references have upstream's format", (t) => {
  const pod = podOf({
    hostname: 'h',
    subdomain: 'sub',
    setHostnameAsFQDN: true,
    hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }],
  });
  t.equal(podHostName(pod, 'cluster.local').hostname, 'h.sub.shop.svc.cluster.local');
  const hosts = hostsFile(pod, ['10.42.0.5'], 'cluster.local', '');
  t.match(hosts, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
  t.match(hosts, '10.42.0.5\th.sub.shop.svc.cluster.local\th\n');
  t.match(hosts, '# Entries added by HostAliases.\n1.2.3.4\ta\tb\n');
  const variables = new Map([['A', '1']]);
  t.equal(expand('$(A) $(B) $$(A) $A $', variables), '1 $(B) $(A) $A $');
  t.end();
});

test('image names are normalized as in Docker', (t) => {
  const full = (image: string) => {
    const reference = parseImageReference(image);
    return reference && imageName(reference);
  };
  t.equal(full('busybox'), 'docker.io/library/busybox:latest');
  t.equal(full('team/app:1'), 'docker.io/team/app:1');
  t.equal(full('localhost:5000/app'), 'localhost:5000/app:latest');
  t.equal(full('registry.example.com/a/b/c:v1'), 'registry.example.com/a/b/c:v1');
  const digest = `sha256:${'a'.repeat(64)}`;
  t.equal(full(`app@${digest}`), `docker.io/library/app@${digest}`);
  for (const bad of ['', 'App', 'a b', 'a:', 'http://a/b', 'a//b', ':1']) t.equal(full(bad), undefined, bad);
  t.equal(defaultPullPolicy('app'), 'Always');
  t.equal(defaultPullPolicy('app:1'), 'IfNotPresent');
  t.equal(defaultPullPolicy('app:latest'), 'Always');
  t.equal(defaultPullPolicy('app:latest-1'), 'IfNotPresent');
  t.equal(defaultPullPolicy('registry:5000/app:1'), 'IfNotPresent');
  t.equal(defaultPullPolicy('registry:5000/app'), 'Always', "a registry's port is not a tag");
  t.equal(defaultPullPolicy(`app@${digest}`), 'IfNotPresent');
  t.equal(defaultPullPolicy(`app:latest@${digest}`), 'Always', 'upstream looks at the tag first');
  for (const bad of ['', 'App', 'a b']) t.equal(defaultPullPolicy(bad), 'IfNotPresent', bad);
  t.end();
});

test('pull secrets that match are used, the most specific first', (t) => {
  const auth = (user: string) => ({ auth: Buffer.from(`${user}:pass:word`).toString('base64') });
  const auths = {
    'https://index.docker.io/v1/': auth('hub'),
    'r.example.com': auth('all'),
    'r.example.com/team': auth('team'),
    '*.example.com': auth('any'),
  };
  const secret = { data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') } };
  const users = (image: string) => {
    const reference = parseImageReference(image);
    return reference
      ? credentialsFor(reference, [secret]).map(({ username, password }) => `${username}/${password}`)
      : [];
  };
  t.same(users('r.example.com/team/app:1'), ['team/pass:word', 'all/pass:word', 'any/pass:word']);
  t.same(users('r.example.com/other/app'), ['all/pass:word', 'any/pass:word']);
  t.same(users('busybox'), ['hub/pass:word']);
  t.same(users('other.example.org/app'), []);
  t.end();
});

test("labels of a pull secret's host are globs, port and path are literal", (t) => {
  const used = (pattern: string, image: string): boolean => {
    const text = JSON.stringify({ auths: { [pattern]: { username: 'u', password: 'p' } } });
    const reference = parseImageReference(image);
    if (!reference) throw new Error(image);
    return (
      credentialsFor(reference, [{ data: { '.dockerconfigjson': Buffer.from(text).toString('base64') } }]).length > 0
    );
  };
  const fitting: [string, string][] = [
    ['*.example.com', 'a.example.com/x:1'],
    ['*-good.example.com', 'a-good.example.com/x:1'],
    ['prefix*.example.com', 'prefix-a.example.com/x:1'],
    ['[a-c].example.com', 'b.example.com/x:1'],
    ['r?.*.com', 'r1.example.com/x'],
    ['https://r.example.com:5000/v2/', 'r.example.com:5000/x'],
    ['r.example.com/team', 'r.example.com/team/x@sha256:' + 'a'.repeat(64)],
    ['https://index.docker.io/v1/', 'busybox'],
    ['docker.io', 'team/app'],
  ];
  const others: [string, string][] = [
    ['*.example.com', 'example.com/x'],
    ['*.example.com', 'a.b.example.com/x'],
    ['*-good.example.com', 'a-bad.example.com/x'],
    ['[a-c].example.com', 'd.example.com/x'],
    ['[a-c.example.com', 'a.example.com/x'],
    ['r.example.com', 'r.example.com:5000/x'],
    ['r.example.com:*', 'r.example.com:5000/x'],
    ['r.example.com/*', 'r.example.com/team/x'],
    ['r.example.com/team', 'r.example.com/other/x'],
    ['*', 'r.example.com/x'],
    ['https://index.docker.io/v1/', 'r.example.com/busybox'],
  ];
  for (const [pattern, image] of fitting) t.ok(used(pattern, image), `${pattern} for ${image}`);
  for (const [pattern, image] of others) t.notOk(used(pattern, image), `${pattern} for ${image}`);
  for (const text of ['null', '[]', '{"auths":null}', '{"auths":{"r.example.com":null}}', '{'])
    t.same(
      credentialsFor(parseImageReference('r.example.com/x')!, [
        { data: { '.dockerconfigjson': Buffer.from(text).toString('base64') } },
      ]),
      [],
      text,
    );
  t.end();
});

test('globs match as in Go, in linear time', (t) => {
  const letters = ['a', 'b', '*', '?', '-'];
  for (let round = 0; round < 3000; round++) {
    const word = (set: string[], size: number) =>
      Array.from({ length: size }, () => set[Math.floor(Math.random() * set.length)]).join('');
    const pattern = word(letters, round % 8);
    const text = word(['a', 'b', '-'], round % 7);
    const regex = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    t.equal(matchesGlob(pattern, text), regex.test(text), `${pattern} ${text}`);
  }
  t.ok(matchesGlob('[^a-c]\\*[\\]x]', 'd*]'));
  for (const bad of ['[', '[]', '[a', '[a-', 'a\\', '[-a]']) t.notOk(matchesGlob(bad, 'a'), bad);
  const startedAt = performance.now();
  t.notOk(matchesGlob('a*'.repeat(500) + 'b', 'a'.repeat(253)));
  t.ok(performance.now() - startedAt < 200);
  t.end();
});

test('a reference ends at the first parenthesis, and its value is not expanded again', (t) => {
  const variables = new Map([
    ['A', '1'],
    ['B', '$(A)'],
    ['cat $(A', 'odd'],
    ['', 'empty'],
  ]);
  const expected: Record<string, string> = {
    '$(cat $(FILE))': '$(cat $(FILE))',
    '$(cat $(A))': 'odd)',
    '$(B)': '$(A)',
    '$$(A)': '$(A)',
    '$$$(A)': '$1',
    '$$$$(A)': '$$(A)',
    $A$: '$A$',
    '$()': 'empty',
    '$(A': '$(A',
    '$($$(A)': '$($$(A)',
    '$(A $$': '$(A $',
    'a$(A)b$(A)': 'a1b1',
  };
  for (const [text, result] of Object.entries(expected)) t.equal(expand(text, variables), result, text);
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: round % 12 }, () => '$$()AB '[Math.floor(Math.random() * 7)]).join('');
    t.equal(expand(text, variables), slowly(text, variables), text);
  }
  const startedAt = performance.now();
  const long = '$('.repeat(500_000);
  t.equal(expand(long, variables), long);
  t.ok(performance.now() - startedAt < 1000, 'a megabyte is expanded quickly');
  t.end();
});

/** Written after the documentation. */
function slowly(text: string, variables: ReadonlyMap<string, string>): string {
  if (text === '') return '';
  if (text.startsWith('$$')) return `$${slowly(text.slice(2), variables)}`;
  const end = text.startsWith('$(') ? text.indexOf(')') : -1;
  if (end < 0) return text.slice(0, 1) + slowly(text.slice(1), variables);
  const name = text.slice(2, end);
  return (variables.get(name) ?? `$(${name})`) + slowly(text.slice(end + 1), variables);
}

test('least recently used images are removed first', (t) => {
  const now = 1_000_000_000;
  const use = (id: string, lastUsedAt: number, pinned = false, detectedAt = 0) => ({
    image: { id, repoTags: [`${id}:1`], repoDigests: [], size: 100, uid: null, username: '', pinned },
    detectedAt,
    lastUsedAt,
  });
  const images = [
    use('used', 1),
    use('recent', 50),
    use('old', 10),
    use('pinned', 0, true),
    use('carried', 0),
    use('new', 0, false, now),
  ];
  const chosen = (bytes: number) =>
    imagesToRemove(images, new Set(['used']), new Set(['carried:1']), bytes, now).map(({ id }) => id);
  t.same(chosen(100), ['old']);
  t.same(chosen(1000), ['old', 'recent']);
  t.end();
});

test('composed names fit into the file system and stay unique', (t) => {
  const long = 'p'.repeat(252);
  const pod = (last: string): Pod => ({
    metadata: { name: `${long}${last}`, namespace: 'n'.repeat(63), uid: '8d4f7d2e-0000-4000-8000-00000000000' + last },
  });
  const container = 'c'.repeat(63);
  const ids = ['a', 'b'].map((letter) => letter.repeat(64));
  const directories = ['1', '2'].map((last) => path.basename(podLogDirectory('/var/log/pods', pod(last))));
  const links = ['1', '2'].flatMap((last) => ids.map((id) => logLinkName(pod(last), container, id)));
  t.equal(new Set(directories).size, 2);
  t.equal(new Set(links.slice(0, 2)).size, 2);
  for (const name of [...directories, ...links]) t.ok(name.length <= 255, name);
  for (const [index, name] of directories.entries())
    t.match(name, new RegExp(`^n{63}_p+_${pod(String(index + 1)).metadata?.uid}$`));
  t.match(links[0], /^p+_n{63}_c{63}-a{64}\.log$/);
  const short: Pod = { metadata: { name: 'web', namespace: 'shop', uid: 'u' } };
  t.equal(podLogDirectory('/l', short), '/l/shop_web_u');
  t.equal(logLinkName(short, 'main', 'abc'), 'web_shop_main-abc.log');
  t.end();
});
