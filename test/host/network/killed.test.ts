/** Agents that are killed at any moment while Services change. */
import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { TABLES } from '../../../agent/network/services/backends/nftables/layout.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { connectionsOf, tableConnectionsOf } from '../../support/proxy-backend-contract.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode, makePods, RULE_MODES, type RuleMode } from './pod-namespaces.ts';
import { putEndpoints, putService, startProxyProcess } from './proxies.ts';

enterNamespace();

const PODS = ['10.42.0.2', '10.42.0.3'];
/** Sends back what it gets. */
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(8080, () => console.log('up'))`;
const SERVICES = 40;
const KILLS = 8;
/* eslint-disable kedge/fixed-waits -- Changes, connections and kills are to come at times that nothing decides. */
/** A process is killed so long after it has been seen to write, at most. */
const MAX_LIFE_MS = 700;
const STEADY = '10.43.0.5';

t.before(async () => {
  await makeNode();
  await makePods(t, PODS, SERVER);
});

const { signal } = new AbortController();
const connections: Readonly<Record<RuleMode, () => Promise<string[]>>> = {
  iptables: async () => connectionsOf((await run('iptables-save', ['-t', 'nat'])).stdout),
  nftables: async () => tableConnectionsOf(await new Nft(signal).list(TABLES.IPv4)),
};

async function open(host: string): Promise<net.Socket> {
  const socket = net.connect({ host, port: 80 });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect', { signal: AbortSignal.timeout(2_000) });
  return socket;
}

/** New connections one after the other, each answered; returns how many there were, and what went wrong with others. */
async function connectUntil(signal: AbortSignal): Promise<{ answered: number; failures: string[] }> {
  const result = { answered: 0, failures: [] as string[] };
  while (!signal.aborted) {
    try {
      const socket = await open(STEADY);
      socket.write('hello');
      await once(socket, 'data', { signal: AbortSignal.timeout(2_000) });
      socket.destroy();
      result.answered++;
    } catch (error) {
      result.failures.push(String(error));
    }
    await delay(10);
  }
  return result;
}

const numberOf = (index: number): string => `10.43.1.${index + 1}`;
const randomOf = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)]!;

for (const mode of RULE_MODES) {
  t.test(
    `${mode}: whenever an agent is killed, other Services go on, and the next agent ends with what is wanted`,
    async (t) => {
      await using api = await MemoryApi.start();
      const wanted = new Map<string, readonly string[]>([[STEADY, [PODS[0]!]]]);
      putService(api, 'steady', { clusterIP: STEADY, endpoints: [PODS[0]!] });
      const change = (): void => {
        const index = Math.floor(Math.random() * SERVICES);
        const endpoints = randomOf([[], [PODS[0]!], [PODS[1]!], PODS]);
        if (wanted.has(numberOf(index))) putEndpoints(api, `s${index}`, endpoints);
        else putService(api, `s${index}`, { clusterIP: numberOf(index), endpoints });
        wanted.set(numberOf(index), endpoints);
      };
      const first = startProxyProcess(t, api, mode);
      const steady = await eventually('the first connection', () => open(STEADY));
      const storm = new AbortController();
      const changing = (async () => {
        for (; !storm.signal.aborted; await delay(5)) change();
      })();
      const connecting = connectUntil(storm.signal);
      await delay(Math.random() * MAX_LIFE_MS);
      await first.end('SIGKILL');
      for (let kills = 1; kills < KILLS; kills++) {
        const proxy = startProxyProcess(t, api, mode);
        await eventually('a change', () => proxy.lines.some(({ message }) => message === 'service rules synced'));
        await delay(Math.random() * MAX_LIFE_MS);
        await proxy.end('SIGKILL');
        // Whatever a killed nft(8) or iptables-restore was about to do.
        if (kills % 3 === 0) await delay(Math.random() * MAX_LIFE_MS);
      }
      storm.abort();
      await changing;
      const { answered, failures } = await connecting;
      t.same(failures, [], `${answered} connections to a Service that nobody changes`);
      t.ok(answered > 100);
      const last = startProxyProcess(t, api, mode);
      const expected = [...wanted]
        .flatMap(([frontend, endpoints]) => endpoints.map((endpoint) => `${frontend}:80 -> ${endpoint}:8080`))
        .sort();
      await eventually('what is wanted', async () => (await connections[mode]()).join() === expected.join(), 20);
      steady.write('still here');
      t.equal(String((await once(steady, 'data', { signal: AbortSignal.timeout(2_000) }))[0]), 'still here');
      steady.destroy();
      await last.end('SIGTERM');
      await run('nft', ['flush', 'ruleset']);
    },
  );
}
