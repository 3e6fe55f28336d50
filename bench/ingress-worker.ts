/**
 * Measures one proxy in a network namespace of its own: `ingress-worker.ts kedge|nginx INGRESSES`. Prints JSON. The backend is nginx with a fixed
 * answer, for both. `KEDGE_BENCH_NGINX` names the program.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { selfSigned } from '../addons/ingress/default-certificate.ts';
import { ProxyDriver } from '../addons/ingress/haproxy/driver.ts';
import { HaproxyProcess } from '../addons/ingress/haproxy/process.ts';
import { compile } from '../addons/ingress/model/compile.ts';
import type { ClusterView } from '../addons/ingress/model/cluster-view.ts';
import type { Model } from '../addons/ingress/model/model.ts';
import { run } from '../agent/host/run.ts';
import type { Ingress } from '../api/types/networking/v1.gen.ts';
import { Log } from '../test/support/log.ts';
import { memoryOf } from './process-usage.ts';

export interface IngressFigures {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly residentMb: number;
  readonly firstAnswerMs: number;
}

const NGINX = process.env['KEDGE_BENCH_NGINX'] ?? 'nginx';
const [BACKEND, BACKEND_PORT, NODE, PORT] = ['10.99.0.2', 8_080, '10.99.0.1', 80] as const;
const CONNECTIONS = 32;
const LOAD_MS = 5_000;
const NEW_INGRESSES = 5;
const START_LIMIT_MS = 60_000;

const [kind = '', countText = ''] = process.argv.slice(2);
const count = Number(countText);
const children: ChildProcess[] = [];
const log = new Log();
const hostOf = (index: number | string): string => `h${index}.example`;

/** A connection that sends one request at a time. The answers of the backend end with `ok`. */
class Client {
  readonly #socket: Socket;
  #seen = '';
  #settle: ((status: number) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.#seen += chunk;
      const end = this.#seen.indexOf('\r\n\r\n');
      const length = /\r\ncontent-length: (\d+)/i.exec(this.#seen)?.[1];
      if (end < 0 || length === undefined || this.#seen.length < end + 4 + Number(length)) return;
      const status = Number(this.#seen.slice(9, 12));
      this.#seen = '';
      this.#settle?.(status);
    });
  }

  static async open(): Promise<Client> {
    const socket = connect({ host: NODE, port: PORT, noDelay: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  ask(host: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#settle = resolve;
    this.#socket.once('close', () => reject(new Error('the proxy closed the connection')));
    this.#socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return promise.finally(() => this.#socket.removeAllListeners('close'));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

const statusOf = async (host: string): Promise<number> => {
  using client = await Client.open();
  return await client.ask(host);
};

async function untilAnswered(host: string): Promise<void> {
  const end = performance.now() + START_LIMIT_MS;
  while ((await statusOf(host).catch(() => 0)) !== 200) {
    if (performance.now() > end) throw new Error(`${host} is not answered`);
    await delay(2);
  }
}

/** Rate and 99th percentile with hosts in turn. */
async function load(): Promise<Pick<IngressFigures, 'perSecond' | 'p99Ms'>> {
  const times: number[] = [];
  const end = performance.now() + LOAD_MS;
  let next = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      using client = await Client.open();
      for (let start = performance.now(); start < end;) {
        const status = await client.ask(hostOf(next++ % count));
        if (status !== 200) throw new Error(`status ${status}`);
        const now = performance.now();
        times.push(now - start);
        start = now;
      }
    }),
  );
  times.sort((a, b) => a - b);
  return { perSecond: times.length / (LOAD_MS / 1000), p99Ms: times[Math.floor(times.length * 0.99)] ?? NaN };
}

/** Of a process and its children, in MB. */
async function residentOf(pid: number): Promise<number> {
  let sum = (await memoryOf(pid)).resident;
  for (const task of await readdir(`/proc/${pid}/task`))
    for (const child of (await readFile(`/proc/${pid}/task/${task}/children`, 'utf8')).trim().split(' '))
      if (child !== '') sum += await residentOf(Number(child));
  return sum;
}

interface Proxy {
  readonly pid: number;
  add(name: string): Promise<void>;
}

async function startNginx(directory: string, name: string, http: string): Promise<ChildProcess> {
  const file = path.join(directory, `${name}.conf`);
  await writeFile(file, nginxConfiguration(directory, name, http));
  const child = spawn(NGINX, ['-c', file, '-e', path.join(directory, `${name}.log`)], { stdio: 'inherit' });
  await once(child, 'spawn');
  return child;
}

const nginxConfiguration = (directory: string, name: string, http: string): string =>
  `daemon off; user root; worker_processes auto; pid ${directory}/${name}.pid; error_log ${directory}/${name}.log;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s; server_names_hash_max_size 8192; server_names_hash_bucket_size 128;
${http} }`;

const nginxServer = (name: number | string): string =>
  `upstream u${name} { server ${BACKEND}:${BACKEND_PORT}; keepalive 32; }
server { listen ${NODE}:${PORT}; server_name ${hostOf(name)}; location / { proxy_pass http://u${name}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } }
`;

async function nginxProxy(directory: string): Promise<Proxy> {
  // Hosts that nobody has are 404, as with the other.
  const none = `server { listen ${NODE}:${PORT} default_server; return 404; }\n`;
  const servers = [none, ...Array.from({ length: count }, (_, index) => nginxServer(index))];
  const child = await startNginx(directory, 'proxy', servers.join(''));
  children.push(child);
  return {
    pid: child.pid ?? 0,
    add: async (name) => {
      servers.push(nginxServer(name));
      await writeFile(path.join(directory, 'proxy.conf'), nginxConfiguration(directory, 'proxy', servers.join('')));
      child.kill('SIGHUP');
    },
  };
}

async function kedgeProxy(directory: string, stack: AsyncDisposableStack): Promise<Proxy> {
  const ingressOf = (name: number | string): Ingress => ({
    metadata: { name: `i${name}`, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          host: hostOf(name),
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name: `s${name}`, port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  });
  const ingresses = Array.from({ length: count }, (_, index) => ingressOf(index));
  const ports = [{ name: 'http', port: 80, targetPort: undefined }];
  const endpoints = [{ addresses: [BACKEND], ready: true, serving: true, terminating: false }];
  const view: ClusterView = {
    ...{ ingresses, classes: [], secret: () => undefined, configMap: () => undefined },
    service: () => ({ type: 'ClusterIP', clusterIP: undefined, externalName: undefined, ports }),
    slices: (_, service) => [{ service, ports: new Map([['http', BACKEND_PORT]]), endpoints }],
  };
  const haproxy = new HaproxyProcess('haproxy', log);
  stack.defer(() => haproxy.stop());
  const driver = new ProxyDriver({
    ...{ process: haproxy, directory: path.join(directory, 'run'), logger: log, onExit: () => undefined },
    settings: {
      ...{ bindAddresses: [NODE], httpPort: PORT, httpsPort: 443, maxConnections: 20_000, drainSeconds: 60 },
      ...{ accessLog: false, defaultCertificate: await selfSigned() },
    },
  });
  const compiled = (refused: ReadonlySet<string>): Model => compile(view, { allowExternalNames: false, refused });
  const apply = async (): Promise<void> => {
    await driver.apply(compiled(new Set()), compiled, AbortSignal.timeout(START_LIMIT_MS));
  };
  await apply();
  return {
    pid: haproxy.pid ?? 0,
    add: (name) => {
      ingresses.push(ingressOf(name));
      return apply();
    },
  };
}

await using stack = new AsyncDisposableStack();
const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-ingress-'));
stack.defer(() => rm(directory, { recursive: true, force: true }));
stack.defer(async () => {
  for (const child of children) {
    const exited = once(child, 'exit');
    if (child.kill('SIGTERM')) await exited;
  }
});
await run('ip', ['link', 'set', 'lo', 'up']);
await run('ip', ['link', 'add', 'pods0', 'type', 'bridge']);
await run('ip', ['link', 'set', 'pods0', 'up']);
for (const address of [NODE, BACKEND]) await run('ip', ['addr', 'add', `${address}/32`, 'dev', 'pods0']);
const answer = `server { listen ${BACKEND}:${BACKEND_PORT}; location / { return 200 ok; } }`;
children.push(await startNginx(directory, 'backend', answer));
const proxy = kind === 'nginx' ? await nginxProxy(directory) : await kedgeProxy(directory, stack);
await untilAnswered(hostOf(0));
const rates = await load();
const residentMb = await residentOf(proxy.pid);
const times: number[] = [];
for (let round = 0; round < NEW_INGRESSES; round++) {
  const start = performance.now();
  await proxy.add(`new${round}`);
  await untilAnswered(hostOf(`new${round}`));
  times.push(performance.now() - start);
}
const firstAnswerMs = times.sort((a, b) => a - b)[Math.floor(NEW_INGRESSES / 2)] ?? NaN;
console.log(JSON.stringify({ ...rates, residentMb, firstAnswerMs } satisfies IngressFigures));
