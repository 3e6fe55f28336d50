/** What every backend of the service proxy has to do, as a table of tests. */
import type { Test } from 'tap';
import type { ProxyBackend } from '../../agent/network/services/backends/proxy-backend.ts';
import { readTable } from '../../agent/network/netfilter/nft-table/table-text.ts';
import { socketText, type ServiceEntry } from '../../agent/network/services/model/service-entry.ts';
import { IpAddress, type IpFamily } from '../../api/domain/address.ts';
import { entryOf, IPV6_SERVICE_CIDR, SERVICE_CIDR, type Shape } from './service-entries.ts';

/** A kernel, and backends that access it one after the other, as processes of the agent do. */
export interface BackendHost {
  readonly family: IpFamily;
  start(): ProxyBackend;
  /** Where the kernel leads connections: `frontend -> endpoint`, sorted. */
  connections(): Promise<string[]>;
  /** Another program removes all rules. */
  flush(): Promise<void>;
  /** Rules that mention the text are rejected; none are when it is undefined. */
  reject(text: string | undefined): void;
  /** Whether the kernel cannot be accessed. */
  breakDown(isBroken: boolean): void;
}

const FRONTENDS = { IPv4: '10.43.0.', IPv6: 'fd00:43::' } as const;
const PODS = { IPv4: '10.42.0.', IPv6: 'fd00:42::' } as const;
const RANGES = { IPv4: SERVICE_CIDR, IPv6: IPV6_SERVICE_CIDR } as const;

type Services = Readonly<Record<string, ServiceEntry | undefined>>;

class Subject {
  readonly host: BackendHost;
  readonly backend: ProxyBackend;
  constructor(host: BackendHost) {
    this.host = host;
    this.backend = host.start();
  }
  /** A Service named by its address's last number, and the last numbers of its endpoints. */
  service(last: number, endpoints: readonly number[], shape: Shape = {}): ServiceEntry {
    const { family } = this.host;
    return entryOf({
      ...{ name: `s${last}`, clusterIP: `${FRONTENDS[family]}${last}` },
      endpoints: endpoints.map((each) => `${PODS[family]}${each}`),
      ...shape,
    });
  }
  sync(services: Services) {
    return this.backend.sync({ services: new Map(Object.entries(services)), serviceRange: RANGES[this.host.family] });
  }
  connection(last: number, endpoint: number): string {
    const socket = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
    const { family } = this.host;
    return `${socket(`${FRONTENDS[family]}${last}`, 80)} -> ${socket(`${PODS[family]}${endpoint}`, 8080)}`;
  }
}

const ROWS: Readonly<Record<string, (t: Test, subject: Subject) => Promise<void>>> = {
  'what changes is in force, and nothing else is touched': async (t, subject) => {
    const { host } = subject;
    t.equal((await subject.sync({ a: subject.service(5, [2, 3]), b: subject.service(6, [2]) })).wrote, true);
    const both = [subject.connection(5, 2), subject.connection(5, 3), subject.connection(6, 2)];
    t.same(await host.connections(), both);
    await subject.sync({ b: subject.service(6, [4]) });
    t.same(await host.connections(), [...both.slice(0, 2), subject.connection(6, 4)]);
    t.equal((await subject.sync({ b: subject.service(6, [4]) })).wrote, false, 'the same again is not written');
    await subject.sync({ a: undefined });
    t.same(await host.connections(), [subject.connection(6, 4)]);
    await subject.sync({ c: undefined });
    t.same(await host.connections(), [subject.connection(6, 4)], 'a Service that was never there');
  },

  'a Service whose rules are rejected is named, and all others are in force': async (t, subject) => {
    subject.host.reject(subject.connection(7, 9).split(' -> ')[1]);
    const services = Object.fromEntries([5, 6, 7, 8].map((n) => [`s${n}`, subject.service(n, [n === 7 ? 9 : 2])]));
    const { rejected } = await subject.sync(services);
    t.same([...rejected.keys()], ['s7']);
    t.type(rejected.get('s7'), Error);
    t.same(
      await subject.host.connections(),
      [5, 6, 8].map((n) => subject.connection(n, 2)),
    );
    t.equal((await subject.sync({ s7: subject.service(7, [2]) })).rejected.size, 0, 'until it changes');
    t.ok((await subject.host.connections()).includes(subject.connection(7, 2)));
  },

  'changes that could not be made are made by the next call': async (t, subject) => {
    const { host } = subject;
    await subject.sync({ a: subject.service(5, [2]), b: subject.service(6, [2]) });
    host.breakDown(true);
    await t.rejects(subject.sync({ b: undefined, c: subject.service(7, [3]) }));
    host.breakDown(false);
    t.equal((await subject.sync({})).wrote, true);
    t.same(await host.connections(), [subject.connection(5, 2), subject.connection(7, 3)]);
  },

  'what another program has removed is found missing, and restored': async (t, subject) => {
    const { backend, host } = subject;
    t.notOk(await backend.verify(), 'nothing is known before the first sync');
    await subject.sync({ a: subject.service(5, [2, 3]) });
    t.ok(await backend.verify());
    const before = await host.connections();
    await host.flush();
    t.notOk(await backend.verify());
    t.equal((await subject.sync({})).wrote, true);
    t.ok(await backend.verify());
    t.same(await host.connections(), before);
    host.breakDown(true);
    await t.rejects(backend.verify(), 'a kernel that cannot be accessed says nothing of the rules');
    host.breakDown(false);
  },

  'a backend that starts leaves in place what it finds as wanted, and removes the rest': async (t, subject) => {
    const services = { a: subject.service(5, [2, 3]), b: subject.service(6, [2], { nodePort: 30080 }) };
    await subject.sync({ ...services, old: subject.service(9, [4]) });
    const next = new Subject(subject.host);
    t.equal((await next.sync(services)).wrote, true);
    const kept = [subject.connection(5, 2), subject.connection(5, 3), subject.connection(6, 2)];
    t.same(await subject.host.connections(), kept);
    const last = new Subject(subject.host);
    t.equal((await last.sync({ b: services.b, a: services.a })).wrote, false, 'in whatever order they come');
    t.same(await subject.host.connections(), kept);
    t.ok(await last.backend.verify());
  },

  'everything can be removed, twice, and written again': async (t, subject) => {
    const { backend, host } = subject;
    await subject.sync({ a: subject.service(5, [2]) });
    await host.start().remove();
    t.same(await host.connections(), [], 'by a process that has written nothing');
    await subject.sync({ a: subject.service(5, [2]) });
    await backend.remove();
    await backend.remove();
    t.same(await host.connections(), []);
    t.notOk(await backend.verify());
    await subject.sync({});
    t.same(await host.connections(), [subject.connection(5, 2)]);
  },

  'calls that overlap are made in order': async (t, subject) => {
    const calls = [2, 3, 4].map((endpoint) => subject.sync({ a: subject.service(5, [endpoint]) }));
    await Promise.all([...calls, subject.backend.verify()]);
    t.same(await subject.host.connections(), [subject.connection(5, 4)]);
  },
};

/** Runs the table; each row with a host of its own, on which nothing is written yet. */
export function testBackend(t: Test, name: string, makeHost: () => BackendHost): void {
  for (const [row, check] of Object.entries(ROWS)) {
    t.test(`${name}: ${row}`, async (t) => {
      const subject = new Subject(makeHost());
      try {
        await check(t, subject);
      } finally {
        subject.host.reject(undefined);
        await subject.backend.remove();
      }
    });
  }
}

/** `10.43.0.5`, `80` -> `10.43.0.5:80` */
const socketOf = (ip: string, port: string): string => socketText(IpAddress.parse(ip)!, Number(port));

/** `[fd00::5]:8080` as a map has it. */
export const elementValueOf = (socket: string): string => socket.replace(/^\[|\]/g, '').replace(/:(\d+)$/, ' . $1');

/** The connections that a table as `nft -j list table` prints it makes, as far as elements of maps say. */
export function tableConnectionsOf(objects: readonly unknown[] | undefined): string[] {
  const { elements } = readTable(objects ?? []);
  const found: string[] = [];
  for (const [key, tail] of elements.get('service-ips') ?? []) {
    const count = Number(/goto endpoints-(\d+)$/.exec(tail)?.[1] ?? 0);
    for (let index = 0; index < count; index++) {
      const target = elements.get(`endpoints-${count}`)?.get(`${key} . ${index}`) ?? ' : nowhere . 0';
      const [[ip = '', , port = ''], [endpoint = '', endpointPort = '']] = [key, target.split(' : ')[1] ?? ''].map(
        (text) => text.split(' . '),
      ) as [string[], string[]];
      found.push(`${socketOf(ip, port)} -> ${socketOf(endpoint, endpointPort)}`);
    }
  }
  return found.sort();
}

/** The new connections that virtual servers as `ipvsadm --save` prints them make. Node ports are not asked for. */
export function serverConnectionsOf(saved: string): string[] {
  const reals = saved.matchAll(/^-a -[tu] (\S+) -r (\S+) -m -w [1-9]/gm);
  return Array.from(reals, ([, frontend = '', real = '']) => `${frontend} -> ${real}`).sort();
}

/** The connections that rules as iptables-save prints them make: from dispatch to the Service's chain, and on to the endpoints. */
export function connectionsOf(saved: string): string[] {
  const found: string[] = [];
  for (const [, ip = '', port = '', chain = ''] of saved.matchAll(
    /^-A KUBE-S\S+ -d (\S+?)\/\d+ .*--dport (\d+) .*-j (KUBE-SVC-\S+)$/gm,
  )) {
    for (const [, endpoint = ''] of saved.matchAll(new RegExp(`^-A ${chain} .*-j (KUBE-SEP-\\S+)$`, 'gm'))) {
      const target = new RegExp(`^-A ${endpoint} .*--to-destination (\\S+)$`, 'm').exec(saved)?.[1] ?? 'nowhere';
      found.push(`${socketOf(ip, port)} -> ${target}`);
    }
  }
  return found.sort();
}
