/**
 * Network namespaces as pods of both IP families that serve TCP and UDP, and connect when the test says so: a process in each, which
 * takes commands for as long as the test runs.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { ip, NODE_ADDRESS } from './pod-namespaces.ts';

export const NODE_ADDRESS_6 = 'fd00:42::1';
/** For a connection that is dropped. */
const ANSWER_LIMIT_MS = 700;

/** Serves TCP on 8080 and 8081, UDP on 8080: who connects is told who it is, and hears its own words again. */
const PROGRAM = `
const net = require('net'), dgram = require('dgram'), lines = require('readline');
const say = (id, said) => console.log(JSON.stringify({ id, said }));
for (const port of [8080, 8081]) net.createServer((s) => {
  s.on('error', () => {}).write(s.remoteAddress.replace('::ffff:', ''));
  s.on('data', (data) => s.write(data));
}).listen(port, '::');
const server = dgram.createSocket('udp6').bind(8080, '::', () => console.log('{}'));
const peers = [];
server.on('message', (data, peer) => { peers.push(peer); server.send(data, peer.port, peer.address); });
const open = new Map();
const commands = {
  connect: (id, host, port) => {
    const s = net.connect(port, host);
    open.set(id, s);
    s.setTimeout(${ANSWER_LIMIT_MS}, () => say(id, 'nothing'));
    s.on('data', (data) => say(id, String(data))).on('error', (e) => say(id, e.code));
  },
  write: (id, of, text) => {
    const s = open.get(of);
    s.removeAllListeners('data').removeAllListeners('timeout');
    s.setTimeout(${ANSWER_LIMIT_MS}, () => say(id, 'nothing'));
    s.on('data', (data) => say(id, String(data)));
    s.write(text);
  },
  ask: (id, host, port, text) => {
    const s = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    open.set(id, s);
    const t = setTimeout(() => say(id, 'nothing'), ${ANSWER_LIMIT_MS});
    s.on('error', (e) => say(id, e.code)).on('message', (data) => { clearTimeout(t); say(id, String(data)); });
    s.bind(0, () => { s.setBroadcast(true); s.send(text, port, host, (e) => e && say(id, e.code)); });
  },
  // The server of UDP says something to those that have asked it, without being asked.
  push: (id, text) => { for (const { port, address } of peers) server.send(text, port, address); say(id, 'pushed'); },
  count: (id) => say(id, String(peers.length)),
  heard: (id, of) => {
    const s = open.get(of);
    s.removeAllListeners('message');
    const t = setTimeout(() => say(id, 'nothing'), ${ANSWER_LIMIT_MS});
    s.once('message', (data) => { clearTimeout(t); say(id, String(data)); });
  },
};
lines.createInterface({ input: process.stdin }).on('line', (line) => {
  const [id, command, ...rest] = JSON.parse(line);
  try { commands[command](id, ...rest); } catch (e) { say(id, e.message); }
});
process.stdin.on('end', () => process.exit());
`;

export class TalkingPod {
  readonly netns: string;
  readonly addresses: readonly string[];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, (said: string) => void>();
  #id = 0;

  private constructor(netns: string, addresses: readonly string[]) {
    this.netns = netns;
    this.addresses = addresses;
    this.#child = spawn('nsenter', [`--net=/run/netns/${netns}`, process.execPath, '-e', PROGRAM], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, said } = JSON.parse(line) as { id?: number; said?: string };
      if (id === undefined) return;
      this.#waiting.get(id)?.(said ?? '');
      this.#waiting.delete(id);
    });
  }

  /** @param index above 1: the last part of its addresses */
  static async start(t: Test, index: number): Promise<TalkingPod> {
    const netns = `kedge-policy-${process.pid}-${index}`;
    const addresses = [`10.42.0.${index}`, `fd00:42::${index}`];
    await ip('netns', 'add', netns);
    t.teardown(() => ip('netns', 'del', netns));
    await ip('link', 'add', `p${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns);
    await ip('link', 'set', `p${index}`, 'master', 'cni0');
    await ip('link', 'set', `p${index}`, 'type', 'bridge_slave', 'hairpin', 'on');
    await ip('link', 'set', `p${index}`, 'up');
    for (const args of [
      ['link', 'set', 'lo', 'up'],
      ['addr', 'add', `${addresses[0]}/24`, 'broadcast', '+', 'dev', 'eth0'],
      ['addr', 'add', `${addresses[1]}/64`, 'dev', 'eth0', 'nodad'],
      ['link', 'set', 'eth0', 'up'],
      ['route', 'add', 'default', 'via', NODE_ADDRESS],
      ['-6', 'route', 'add', 'default', 'via', NODE_ADDRESS_6],
    ])
      await ip('-n', netns, ...args);
    const pod = new TalkingPod(netns, addresses);
    t.teardown(() => pod.#child.kill());
    await once(pod.#child.stdout, 'data');
    return pod;
  }

  #command(...command: readonly (string | number)[]): { readonly id: number; readonly said: Promise<string> } {
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiting.set(id, resolve);
    this.#child.stdin.write(`${JSON.stringify([id, ...command])}\n`);
    return { id, said: promise };
  }

  /** What the server says first: the client's address; `nothing` of one that cannot be reached; an error's code. */
  connect(host: string, port = 8080): Promise<string> {
    return this.#command('connect', host, port).said;
  }

  /** A connection that stays open, and that one can `write` to. */
  async open(host: string, port = 8080): Promise<number> {
    const { id, said } = this.#command('connect', host, port);
    if ((await said) === 'nothing') throw new Error(`${host} does not answer`);
    return id;
  }

  /** What is heard after that. */
  write(connection: number, text: string): Promise<string> {
    return this.#command('write', connection, text).said;
  }

  /** The answer to a datagram, or `nothing`. */
  ask(host: string, port = 8080, text = 'hello'): Promise<string> {
    return this.#command('ask', host, port, text).said;
  }

  /** As `ask`, from a socket that goes on to listen. */
  async flow(host: string, port = 8080): Promise<number> {
    const { id, said } = this.#command('ask', host, port, 'hello');
    if ((await said) !== 'hello') throw new Error(`${host} does not answer`);
    return id;
  }

  /** Its server of UDP sends to all that have asked it. */
  push(text: string): Promise<string> {
    return this.#command('push', text).said;
  }

  /** How many datagrams its server has got. */
  count(): Promise<string> {
    return this.#command('count').said;
  }

  /** The next datagram of a flow. */
  heard(flow: number): Promise<string> {
    return this.#command('heard', flow).said;
  }

  run(program: string, ...args: readonly string[]) {
    return run('nsenter', [`--net=/run/netns/${this.netns}`, program, ...args], { timeoutMs: 10_000 });
  }
}

/** What the node needs beside `makeNode` for pods of both families whose traffic on the bridge is judged. */
export async function makeDualStack(): Promise<void> {
  await ip('addr', 'add', `${NODE_ADDRESS_6}/64`, 'dev', 'cni0', 'nodad');
  await run('sysctl', ['-qw', 'net.ipv6.conf.all.forwarding=1', 'net.bridge.bridge-nf-call-ip6tables=1']);
}
