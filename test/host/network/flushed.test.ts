/** Somebody else removes the rules of a running agent. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode, makePods, RULE_MODES, type RuleMode } from './pod-namespaces.ts';
import { putService, said, startProxyProcess } from './proxies.ts';

enterNamespace();

const POD = '10.42.0.2';
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).end(process.argv[1])).listen(8080, () => console.log('up'))`;
/** Rules are looked at each minute anyway: what is seen at once is healed long before. */
const LIMIT_MS = 5_000;

t.before(async () => {
  await makeNode();
  await makePods(t, [POD], SERVER);
});

const FLUSHES: Readonly<Record<RuleMode, readonly (readonly string[])[]>> = {
  nftables: [
    ['nft', 'flush', 'table', 'ip', 'kube-proxy'],
    ['nft', 'delete', 'table', 'ip', 'kube-proxy'],
    ['nft', 'flush', 'chain', 'ip', 'kube-proxy', 'nat-output'],
    ['nft', 'flush', 'ruleset'],
  ],
  iptables: [
    ['iptables', '-t', 'nat', '-F'],
    ['nft', 'flush', 'ruleset'],
  ],
};

const monitors = async (): Promise<string[]> =>
  (
    await run('pgrep', ['-f', '^nft monitor destroy rules', '--ns', String(process.pid), '--nslist', 'net']).catch(
      () => ({ stdout: '' }),
    )
  ).stdout
    .split('\n')
    .filter(Boolean);

for (const mode of RULE_MODES) {
  t.test(`${mode}: rules that another program removes are restored within seconds`, async (t) => {
    await using api = await MemoryApi.start();
    putService(api, 'web', { clusterIP: '10.43.0.5', endpoints: [POD] });
    const proxy = startProxyProcess(t, api, mode);
    await eventually('the rules', async () => (await said('10.43.0.5')) === POD);
    await eventually('the monitor', () => proxy.lines.some(({ message }) => message.includes('nft monitor reports')));
    const [monitor = '', ...others] = await monitors();
    t.same(others, []);
    const limits = await readFile(`/proc/${monitor}/limits`, 'utf8');
    t.match(
      limits,
      /Max address space +134217728 /,
      'it cannot take more memory than this, however many rules there are',
    );
    for (const flush of FLUSHES[mode]) {
      const startedAt = performance.now();
      await run(flush[0]!, flush.slice(1));
      await eventually('the rules again', async () => (await said('10.43.0.5', 80, 200)) === POD);
      const took = performance.now() - startedAt;
      t.ok(took < LIMIT_MS, `${flush.join(' ')}: after ${Math.round(took)} ms`);
    }
    t.equal(
      proxy.lines.filter(({ message }) => message.includes('removed by another program')).length,
      FLUSHES[mode].length,
    );
    await proxy.end('SIGTERM');
    t.same(await monitors(), [], 'the monitor ends with the agent');
    await run('nft', ['flush', 'ruleset']);
  });
}
