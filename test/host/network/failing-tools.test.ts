/** The programs by which the agent changes the kernel fail, hang, or talk without end. */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode, makePods, RULE_MODES, type RuleMode } from './pod-namespaces.ts';
import { programBefore, putEndpoints, putService, said, startProxyProcess } from './proxies.ts';

enterNamespace();

const [POD, OTHER] = ['10.42.0.2', '10.42.0.3'];
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).end(process.argv[1])).listen(8080, () => console.log('up'))`;
const PROGRAMS: Readonly<Record<RuleMode, string>> = { nftables: 'nft', iptables: 'iptables-restore' };
/** What one line of the log may have: a program's beginning and end, and the stack. */
const MAX_LOGGED = 8 * 1024;
/** Rules of an unhindered proxy are changed in less than one. */
const SOON_S = 10;

t.before(async () => {
  await makeNode();
  await makePods(t, [POD, OTHER], SERVER);
});
t.afterEach(() => run('nft', ['flush', 'ruleset']));

const MEGABYTES = `yes 'the kernel is out of order, and this is why it is' | head -c 8000000 >&2`;

for (const mode of RULE_MODES) {
  t.test(
    `${mode}: a program that fails with megabytes of errors fills no log, and is used again when it works`,
    async (t) => {
      await using api = await MemoryApi.start();
      putService(api, 'web', { clusterIP: '10.43.0.5', endpoints: [POD] });
      const script = `cd "$(dirname "$0")"; if [ -e broken ]; then ${MEGABYTES}; exit 1; fi`;
      const directory = await programBefore(t, PROGRAMS[mode], script);
      await writeFile(path.join(directory, 'broken'), '');
      const proxy = startProxyProcess(t, api, mode, directory);
      const failures = () => proxy.lines.filter(({ message }) => message === 'failed to sync service rules');
      await eventually('failures', () => failures().length > 1);
      for (const line of proxy.lines) t.ok(JSON.stringify(line).length < MAX_LOGGED, 'a line of the log is short');
      t.match(JSON.stringify(failures()[0]), /the kernel is out of order/);
      await rm(path.join(directory, 'broken'));
      await eventually('the rules', async () => (await said('10.43.0.5')) === POD);
      await proxy.end('SIGTERM');
    },
  );

  t.test(`${mode}: a conntrack that hangs does not keep Services from changing`, async (t) => {
    await using api = await MemoryApi.start();
    putService(api, 'web', { clusterIP: '10.43.0.5', endpoints: [POD] });
    putService(api, 'dns', { clusterIP: '10.43.0.6', endpoints: [POD], protocol: 'UDP' });
    const directory = await programBefore(t, 'conntrack', 'cd "$(dirname "$0")"; echo >> asked; exec sleep 1000');
    const proxy = startProxyProcess(t, api, mode, directory);
    await eventually('conntrack to be asked', () => run('test', ['-e', path.join(directory, 'asked')]));
    for (const endpoint of [OTHER, POD]) {
      putEndpoints(api, 'web', [endpoint]);
      putEndpoints(api, 'dns', [endpoint], 'UDP');
      await eventually('the change', async () => (await said('10.43.0.5')) === endpoint, SOON_S);
    }
    await proxy.end('SIGTERM');
  });
}

/** Crashes at rules with the address, whether they come as a file or line by line. */
const CRASHES: Readonly<Record<RuleMode, string>> = {
  nftables: `
    real=/usr/sbin/nft
    crash() { kill -SEGV $$; exit 1; }
    case $* in
    '-f -') input=$(cat); case $input in *10.43.0.66*) crash;; esac; printf '%s\\n' "$input" | exec $real -f -; exit;;
    -i) while IFS= read -r line; do case $line in *10.43.0.66*) crash;; esac; printf '%s\\n' "$line"; done | $real -i; exit;;
    esac`,
  iptables: `
    input=$(cat); case $input in *10.43.0.66*) kill -SEGV $$;; esac
    printf '%s\\n' "$input" | exec /usr/sbin/iptables-restore "$@"; exit`,
};

for (const mode of RULE_MODES) {
  t.test(`${mode}: a program that crashes at the rules of one Service keeps no other from being changed`, async (t) => {
    await using api = await MemoryApi.start();
    putService(api, 'web', { clusterIP: '10.43.0.5', endpoints: [POD] });
    putService(api, 'crashing', { clusterIP: '10.43.0.66', endpoints: [POD] });
    const proxy = startProxyProcess(t, api, mode, await programBefore(t, PROGRAMS[mode], CRASHES[mode]));
    await eventually('the other Service', async () => (await said('10.43.0.5')) === POD);
    putEndpoints(api, 'web', [OTHER]);
    await eventually('its change', async () => (await said('10.43.0.5')) === OTHER);
    t.match(
      JSON.stringify(proxy.lines),
      /service rules rejected by kernel, skipping service","service":"default\/crashing/,
    );
    putService(api, 'late', { clusterIP: '10.43.0.7', endpoints: [POD] });
    putEndpoints(api, 'crashing', [OTHER]);
    await eventually('a new one that comes with a change of it', async () => (await said('10.43.0.7')) === POD);
    await proxy.end('SIGTERM');
  });
}
