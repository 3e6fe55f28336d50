/** What each check of `kedge doctor` makes of what it is given. */
import { test } from 'tap';
import { judgeCertificates } from '../../../agent/inspect/doctor/certificates.ts';
import { judgeCgroups } from '../../../agent/inspect/doctor/cgroups.ts';
import { judgeClock } from '../../../agent/inspect/doctor/clock.ts';
import { judgeCni } from '../../../agent/inspect/doctor/cni.ts';
import { judgeDisks } from '../../../agent/inspect/doctor/disk.ts';
import { judgeDns } from '../../../agent/inspect/doctor/dns.ts';
import { isFit, type Finding } from '../../../agent/inspect/doctor/finding.ts';
import { droppingChains, judgeFirewall } from '../../../agent/inspect/doctor/firewall.ts';
import { judgeInstallations } from '../../../agent/inspect/doctor/installations.ts';
import { judgeKernel } from '../../../agent/inspect/doctor/kernel.ts';
import { judgeMembership } from '../../../agent/inspect/doctor/membership.ts';
import { judgeMemory } from '../../../agent/inspect/doctor/memory.ts';
import { judgeModules } from '../../../agent/inspect/doctor/modules.ts';
import { judgePorts } from '../../../agent/inspect/doctor/ports.ts';
import { judgePrograms, PROGRAMS } from '../../../agent/inspect/doctor/programs.ts';
import { judgeRuntime } from '../../../agent/inspect/doctor/runtime.ts';
import { judgeSysctls } from '../../../agent/inspect/doctor/sysctls.ts';
import { enabledControllers, listeningSockets } from '../../../agent/host/survey.ts';
import { doctorText } from '../../../cli/node/doctor.ts';

/** The level, and a part of what was found, of each finding. */
type Expected = readonly (readonly [Finding['level'], RegExp])[];

const is = (name: string, found: readonly Finding[], expected: Expected): void =>
  void test(name, (t) => {
    t.strictSame(
      found.map(({ level }) => level),
      expected.map(([level]) => level),
      JSON.stringify(found),
    );
    for (const [index, [level, words]] of expected.entries()) {
      const finding = found[index];
      t.match(finding?.found, words);
      t.equal(
        level !== 'ok',
        Boolean(finding?.wanted && finding.mend),
        'what is not ok says what is wanted, and how to mend it',
      );
    }
    t.end();
  });

const MIB = 1024 * 1024;
const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 5);

is('a kernel of today', judgeKernel({ release: '6.1.0-18-amd64', architecture: 'x64' }), [['ok', /Linux 6\.1\.0/]]);
is('a kernel without what kedge trace needs', judgeKernel({ release: '5.10.0', architecture: 'arm64' }), [
  ['warning', /5\.10/],
]);
is('an old kernel', judgeKernel({ release: '4.18.0-553.el8', architecture: 'x64' }), [['failure', /4\.18/]]);
is('another machine', judgeKernel({ release: '6.1.0', architecture: 'riscv64' }), [['failure', /riscv64/]]);

const tree = { version: 2, controllers: ['cpu', 'memory', 'pids', 'io'], isSystemd: true } as const;
is('cgroup v2 as it should be', judgeCgroups({ ...tree, driver: 'systemd' }), [['ok', /v2 with .* driver systemd/]]);
is('two managers of one tree', judgeCgroups({ ...tree, driver: 'cgroupfs' }), [['warning', /driver cgroupfs/]]);
is('a kernel without memory limits', judgeCgroups({ ...tree, controllers: ['cpu', 'pids'] }), [
  ['failure', /without the controllers memory/],
]);
is('no cgroups', judgeCgroups({ version: undefined, controllers: [], isSystemd: false }), [
  ['failure', /no cgroup tree/],
]);

const modules = (more: object): Parameters<typeof judgeModules>[0] => ({
  modules: new Map(Object.entries({ overlay: 'present', nf_nat: 'loadable', vxlan: 'present', ...more })),
});
is('modules that are there or can be loaded', judgeModules(modules({})), [['ok', /overlay, nf_nat, vxlan/]]);
is('modules that nobody knows of', judgeModules(modules({ veth: 'unknown' })), [['ok', /not known: veth/]]);
is('missing modules', judgeModules(modules({ overlay: 'missing', vxlan: 'missing' })), [
  ['failure', /no overlay/],
  ['warning', /no vxlan/],
]);

const sysctls = (values: Readonly<Record<string, string>>, agentRuns: boolean): Finding[] =>
  judgeSysctls({ agentRuns, values: new Map(Object.entries(values)) });
const good = { 'net.ipv4.ip_forward': '1', 'net.bridge.bridge-nf-call-iptables': '1' };
is('sysctls of a node', sysctls(good, true), [['ok', /as pods need it/]]);
is('sysctls before the agent has set them', sysctls({ 'net.ipv4.ip_forward': '0' }, false), [
  ['ok', /nothing in the way/],
]);
is('forwarding that somebody has switched off', sysctls({ ...good, 'net.ipv4.ip_forward': '0' }, true), [
  ['failure', /ip_forward is 0/],
]);
is('few watchers', sysctls({ ...good, 'fs.inotify.max_user_instances': '16' }, true), [
  ['warning', /max_user_instances is 16/],
]);
is(
  'a full table of connections',
  sysctls({ ...good, 'net.netfilter.nf_conntrack_count': '95', 'net.netfilter.nf_conntrack_max': '100' }, true),
  [['failure', /95 of 100 connections/]],
);

is('enough memory', judgeMemory({ totalBytes: 4096 * MIB, availableBytes: 2048 * MIB }), [
  ['ok', /2048 MiB of 4096 MiB/],
]);
is('a small machine', judgeMemory({ totalBytes: 512 * MIB, availableBytes: 300 * MIB }), [['warning', /512 MiB/]]);
is('no memory left', judgeMemory({ totalBytes: 4096 * MIB, availableBytes: 50 * MIB }), [['failure', /50 MiB/]]);

const disk = (more: object): Finding[] =>
  judgeDisks({
    disks: [
      {
        ...{
          path: '/var/lib',
          what: 'images',
          totalBytes: 100,
          availableBytes: 50,
          totalInodes: 100,
          availableInodes: 50,
        },
        ...{ isWritable: true, ...more },
      },
    ],
  });
is('a disk with room', disk({}), [['ok', /50 % left/]]);
is('a disk that is nearly full', disk({ availableBytes: 12 }), [['warning', /12 % left/]]);
is('a disk that is full', disk({ availableBytes: 5 }), [['failure', /5 % left/]]);
is('a disk without inodes', disk({ availableInodes: 2 }), [['failure', /2 % of its inodes/]]);
is('a file system that makes inodes as it goes', disk({ totalInodes: 0, availableInodes: 0 }), [['ok', /50 %/]]);
is('a disk that went read-only', disk({ isWritable: false }), [['failure', /cannot be written/]]);

is('the right time', judgeClock({ nowMs: NOW, aheadMs: -800, isSynchronized: true }), [['ok', /same time/]]);
is('a clock that nobody asked about', judgeClock({ nowMs: NOW }), [['ok', /2026-06-01/]]);
is('a clock that is off', judgeClock({ nowMs: NOW, aheadMs: 8_000 }), [['warning', /8 s ahead/]]);
is('a clock that is far off', judgeClock({ nowMs: NOW, aheadMs: -90_000 }), [['failure', /90 s behind/]]);
is('a clock without a battery', judgeClock({ nowMs: 0 }), [['failure', /1970/]]);
is('a clock that drifts', judgeClock({ nowMs: NOW, aheadMs: 0, isSynchronized: false }), [
  ['warning', /nothing keeps/],
]);

const programs = (missing: string[], proxyMode = ''): Finding[] =>
  judgePrograms({
    present: new Set(PROGRAMS.filter((name) => !missing.includes(name))),
    proxyMode,
    serviceProxy: true,
  });
is('all programs', programs([]), [['ok', /containerd/]]);
is('ipvsadm is for mode ipvs', programs(['ipvsadm']), [['ok', /iptables/]]);
is('mode ipvs without ipvsadm', programs(['ipvsadm'], 'ipvs'), [['failure', /no ipvsadm/]]);
is('missing programs', programs(['runc', 'conntrack']), [
  ['failure', /no runc/],
  ['warning', /no conntrack/],
]);

const ready = { type: 'RuntimeReady', status: true, message: '' };
const unready = { type: 'NetworkReady', status: false, message: 'cni config uninitialized' };
const runtime = { socket: '/s', joined: true, version: '1.6.20~ds1', conditions: [ready] };
is('a runtime', judgeRuntime(runtime), [['ok', /containerd 1\.6\.20/]]);
is('a newer one', judgeRuntime({ ...runtime, version: 'v2.1.9' }), [['ok', /2\.1\.9/]]);
is('an old one', judgeRuntime({ ...runtime, version: '1.4.13' }), [['failure', /1\.4/]]);
is('one that does not answer', judgeRuntime({ ...runtime, version: undefined, error: 'gone' }), [
  ['failure', /does not answer at \/s: gone/],
]);
is('none before the host joins', judgeRuntime({ ...runtime, joined: false, version: undefined }), [
  ['warning', /does not answer/],
]);
is('a network that is missing', judgeRuntime({ ...runtime, conditions: [ready, unready] }), [
  ['failure', /NetworkReady is false: cni/],
]);
is('and that is not there yet', judgeRuntime({ ...runtime, joined: false, conditions: [ready, unready] }), [
  ['ok', /1\.6/],
]);

const cni = {
  ...{ binDirectory: '/usr/lib/cni', plugins: ['bridge', 'host-local', 'loopback', 'portmap'], joined: true },
  ...{
    confDirectory: '/c',
    own: '10-kedge.conflist',
    configurations: ['10-kedge.conflist', '20-other.conf', 'README'],
  },
};
is('CNI as it should be', judgeCni(cni), [['ok', /10-kedge\.conflist/]]);
is('another network before it', judgeCni({ ...cni, configurations: ['05-cilium.conflist', '10-kedge.conflist'] }), [
  ['warning', /05-cilium/],
]);
is('no network', judgeCni({ ...cni, configurations: [] }), [['failure', /no configuration in \/c/]]);
is('no network yet', judgeCni({ ...cni, configurations: [], joined: false }), [['ok', /plugins in/]]);
is('no plugins', judgeCni({ ...cni, plugins: ['bridge'] }), [['failure', /missing: host-local, loopback, portmap/]]);

const file = '/etc/resolv.conf';
is('a resolver', judgeDns({ file, servers: ['10.0.0.53'] }), [['ok', /10\.0\.0\.53/]]);
is('a stub of the host', judgeDns({ file, servers: ['127.0.0.53', '::1'] }), [
  ['warning', /in a pod is the pod itself/],
]);
is('a stub beside a real one', judgeDns({ file, servers: ['127.0.0.53', 'fe80::1%eth0'] }), [['ok', /fe80/]]);
is('no resolver', judgeDns({ file, servers: [] }), [['failure', /names no server/]]);
is('no file', judgeDns({ file, servers: undefined }), [['failure', /there is no/]]);
is('too many', judgeDns({ file, servers: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'] }), [
  ['warning', /4 servers/],
]);
is(
  'a server without an address',
  judgeDns({ file, servers: ['10.0.0.1'], lookup: { name: 'api', error: 'ENOTFOUND' } }),
  [['failure', /api, .* ENOTFOUND/]],
);

const wanted = [{ port: 10250, what: 'the node API', setting: 'port' }];
const ports = (agentPid: number | undefined, listener?: { pid?: number; name?: string }): Finding[] =>
  judgePorts({ wanted, agentPid, listeners: new Map(listener ? [[10250, listener]] : []) });
is('a free port', ports(undefined), [['ok', /10250 are free/]]);
is("the agent's own port", ports(7, { pid: 7, name: 'node' }), [['ok', /agent listens/]]);
is('a port that is taken', ports(undefined, { pid: 8, name: 'kubelet' }), [
  ['failure', /taken by kubelet \(process 8\)/],
]);
is('a port that somebody else has', ports(7, {}), [['failure', /taken by another process/]]);
is('a port that the agent should have', ports(7), [['failure', /nobody listens/]]);

const CHAINS = `table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER {
	}
}
table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy drop;
	}
	chain nat_PREROUTING {
		type nat hook prerouting priority dstnat + 10; policy accept;
	}
}
`;
const firewall = { clusterCidr: '10.42.0.0/16', port: 10250, vxlanPort: 8472 };
is('a firewall that drops', judgeFirewall({ ...firewall, chains: CHAINS }), [
  ['warning', /chain FORWARD of table ip filter drops forwarded/],
  ['warning', /chain filter_INPUT of table inet firewalld drops input/],
]);
is('no firewall', judgeFirewall({ ...firewall, chains: CHAINS.replaceAll('policy drop', 'policy accept') }), [
  ['ok', /no chain drops/],
]);
is('a firewall that cannot be asked', judgeFirewall({ ...firewall, chains: undefined }), [['ok', /not known/]]);
test('the chains that drop are those with a hook on the way of packets', (t) => {
  t.strictSame(droppingChains(CHAINS), [
    { table: 'ip filter', chain: 'FORWARD', hook: 'forward' },
    { table: 'inet firewalld', chain: 'filter_INPUT', hook: 'input' },
  ]);
  t.end();
});

is('a host of its own', judgeInstallations({ processes: new Set(['node', 'containerd']), paths: [] }), [
  ['ok', /no other/],
]);
is(
  'a kubelet',
  judgeInstallations({ processes: new Set(['kubelet', 'kube-proxy']), paths: ['/etc/kubernetes/manifests'] }),
  [
    ['failure', /kubelet runs/],
    ['failure', /kube-proxy runs/],
  ],
);
is('what another has left', judgeInstallations({ processes: new Set(), paths: ['/etc/rancher/k3s'] }), [
  ['warning', /of k3s/],
]);

const certificates = (validFromMs: number, validToMs: number): Finding[] =>
  judgeCertificates({
    directory: '/p',
    nowMs: NOW,
    agentRuns: true,
    certificates: [{ name: 'CA', validFromMs, validToMs }],
  });
is('a certificate', certificates(NOW - HOUR, NOW + HOUR), [['ok', /valid for another 60m/]]);
is('an expired one', certificates(NOW - 3 * HOUR, NOW - 2 * HOUR), [['failure', /expired 120m ago/]]);
is('one of the future', certificates(NOW + HOUR, NOW + 2 * HOUR), [['failure', /not valid for another/]]);
is('one that was not renewed', certificates(NOW - 99 * HOUR, NOW + HOUR), [['warning', /should have been renewed/]]);
is(
  'a damaged one',
  judgeCertificates({ directory: '/p', nowMs: NOW, agentRuns: true, certificates: [{ name: 'CA', error: 'no PEM' }] }),
  [['failure', /CA certificate cannot be read: no PEM/]],
);
is('none', judgeCertificates({ directory: '/p', nowMs: NOW, agentRuns: false, certificates: [] }), [
  ['ok', /none yet/],
]);

const member = { joined: true, server: 'https://s:6443', agent: { runs: true } };
is('a node', judgeMembership(member), [['ok', /the agent runs, and https/]]);
is('a stopped agent', judgeMembership({ ...member, agent: { runs: false } }), [['failure', /does not answer/]]);
is('an unhealthy one', judgeMembership({ ...member, agent: { runs: true, unhealthy: 'stuck' } }), [
  ['failure', /unhealthy: stuck/],
]);
is('a server that is gone leaves the host fit', judgeMembership({ ...member, serverError: 'ECONNREFUSED' }), [
  ['warning', /ECONNREFUSED/],
]);
is('no node yet', judgeMembership({ ...member, joined: false, agent: { runs: false } }), [['ok', /no node yet/]]);

test('sockets and controllers are read as the kernel writes them', (t) => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:280A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
   1: 0100007F:C001 0100007F:280A 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0
`;
  t.strictSame(listeningSockets(text), [[10250, '12345']]);
  t.strictSame(enabledControllers('#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t2\t1\nmemory\t0\t1\t0\n'), [
    'cpu',
  ]);
  t.end();
});

test('the verdict is the last line, and a failure decides it', (t) => {
  const bad = { check: 'disk', level: 'failure', found: 'full\u001b[2J', wanted: 'room', mend: 'rm' } as const;
  const doubtful = { check: 'dns', level: 'warning', found: 'f', wanted: 'w', mend: 'm' } as const;
  t.ok(isFit([doubtful]));
  t.notOk(isFit([doubtful, bad]));
  t.match(doctorText([bad, doubtful]), /^FAIL {2}disk +full \[2J\n +wanted: room\n +to mend it: rm\nWARN/);
  t.match(doctorText([bad, doubtful]), /\n=> this host is not fit to be a node: 1 check fails, with 1 warning$/);
  t.match(doctorText([doubtful]), /=> this host is fit to be a node, with 1 warning$/);
  t.end();
});
