/** The parts of the statistics that need no cluster: files of /proc, cgroup v1 and v2, and the exposition format. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { findListener, parseDefaultInterface, parseNetDev, parseProcessStat } from '../../../agent/host/proc.ts';
import { cgroupTree } from '../../../agent/host/cgroup-tree.ts';
import { readCpuUsage, readUsage } from '../../../agent/host/cgroup-usage.ts';
import { CpuRates } from '../../../agent/stats/cpu-rates.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';

t.test('finds the process that listens on a socket', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'agent-stats-'));
  const server = createServer().listen(path.join(directory, 's'));
  await once(server, 'listening');
  t.equal(await findListener(path.join(directory, 's')), process.pid);
  t.equal(await findListener(path.join(directory, 'none')), undefined);
  server.close();
  await rm(directory, { recursive: true });
});

t.test('cgroup v2 has the same usage as cgroup v1', async (t) => {
  const root = await mkdtemp(path.join(os.tmpdir(), 'agent-stats-'));
  t.teardown(() => rm(root, { recursive: true }));
  await mkdir(path.join(root, 'kubepods'));
  const files = {
    'cpu.stat': 'usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 77\n',
    'memory.current': '5000\n',
    'memory.stat': 'anon 1000\nfile 3000\nfile_mapped 500\ninactive_file 1500\npgfault 7\npgmajfault 1\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(root, 'kubepods', name), text);
  const tree = cgroupTree(`30 23 0:26 / ${root} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n`);
  const usage = {
    cpuNanoseconds: 3_000_000,
    memoryBytes: 5000,
    workingSetBytes: 3500,
    rssBytes: 1000,
    cacheBytes: 3000,
    mappedFileBytes: 500,
    swapBytes: 0,
    pageFaults: 7,
    majorPageFaults: 1,
  };
  t.same(await readUsage(tree, '/kubepods'), usage, 'without swap accounting');
  await writeFile(path.join(root, 'kubepods', 'memory.swap.current'), '4096\n');
  t.same(await readUsage(tree, '/kubepods'), { ...usage, swapBytes: 4096 });
  t.same(await readCpuUsage(tree, '/kubepods'), {
    userNanoseconds: 2_000_000,
    systemNanoseconds: 1_000_000,
    periods: 10,
    throttledPeriods: 4,
    throttledNanoseconds: 77_000,
  });
  t.equal(await readUsage(tree, '/kubepods/gone'), undefined);
});

t.test('a CPU rate needs two samples of the same container that lie apart', async (t) => {
  const rates = new CpuRates();
  const take = (nanoseconds: number, atMs: number) => {
    const taking = rates.begin();
    const rate = taking.rate('/a', nanoseconds, atMs);
    taking.end();
    return rate;
  };
  t.equal(take(1e9, 0), undefined);
  t.equal(take(2e9, 2000), 5e8, 'half a core');
  t.equal(take(2.9e9, 2100), 5e8, 'too soon for a new rate');
  t.equal(take(3e9, 4000), 5e8, 'the next rate is since the last reported sample');
  t.equal(take(1e9, 6000), undefined, 'another container with the same name');
  rates.begin().end();
  t.equal(take(2e9, 8000), undefined, 'samples of containers no longer listed are dropped');
});

t.test('parses files of /proc', async (t) => {
  const heads = 'Inter-|   Receive\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n';
  t.same(parseNetDev(`${heads}    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0:10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n`), [
    {
      ...{ name: 'eth0', rxBytes: 10, rxPackets: 2, rxErrors: 3, rxDropped: 4 },
      ...{ txBytes: 50, txPackets: 6, txErrors: 7, txDropped: 8 },
    },
  ]);
  const routes = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n';
  const local = 'cni0\t00002A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n';
  t.equal(parseDefaultInterface(`${routes}${local}ens3\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n`), 'ens3');
  t.equal(parseDefaultInterface(`${routes}${local}`), undefined);
  const fields = '(a ) b) S 1 2 3 0 -1 4 9 0 5 0 150 50 0 0 20 0 11 0 300 8192 2 18446744073709551615';
  t.same(parseProcessStat(`42 ${fields}`, 1000), {
    startedAtMs: 4000,
    cpuNanoseconds: 2e9,
    rssBytes: 8192,
    virtualBytes: 8192,
    pageFaults: 9,
    majorPageFaults: 5,
  });
});

t.test('metrics have the Prometheus exposition format', async (t) => {
  const to = new Exposition();
  const counter = new Counter('calls_total', 'Calls\nof "x".', ['call', 'pod']);
  counter.increase('a"b\\c\n', 'p');
  counter.increase('a"b\\c\n', 'p');
  counter.increase('other', 'gone');
  counter.remove({ pod: 'gone' });
  counter.write(to);
  const histogram = new Histogram('time_seconds', 'Time.', [0.5, 1], ['call']);
  for (const seconds of [0.5, 0.7, 3]) histogram.observe(seconds, 'x');
  histogram.write(to);
  to.single('left', 'gauge', 'Left.', Infinity).sample('left', { a: 1 }, 2.5, 1234);
  t.equal(
    to.toString(),
    '# HELP calls_total Calls\\nof "x".\n# TYPE calls_total counter\ncalls_total{call="a\\"b\\\\c\\n",pod="p"} 2\n' +
      '# HELP time_seconds Time.\n# TYPE time_seconds histogram\n' +
      'time_seconds_bucket{call="x",le="0.5"} 1\ntime_seconds_bucket{call="x",le="1"} 2\n' +
      'time_seconds_bucket{call="x",le="+Inf"} 3\ntime_seconds_sum{call="x"} 4.2\ntime_seconds_count{call="x"} 3\n' +
      '# HELP left Left.\n# TYPE left gauge\nleft +Inf\nleft{a="1"} 2.5 1234\n',
  );
});
