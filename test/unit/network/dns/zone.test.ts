/** The records of Services and pods, by https://github.com/kubernetes/dns/blob/master/docs/specification.md */
import { test } from 'tap';
import { Cidr } from '../../../../api/domain/address.ts';
import { Type, type Owned } from '../../../../agent/network/dns/message.ts';
import type { DnsService } from '../../../../agent/network/dns/dns-service.ts';
import { ClusterZone } from '../../../../agent/network/dns/zone.ts';

const web: DnsService = {
  ...{ namespace: 'shop', name: 'web', addresses: ['10.43.0.5', 'fd00:43::5'] },
  ports: [
    { name: 'http', protocol: 'tcp', port: 80 },
    { name: '', protocol: 'udp', port: 99 },
  ],
};
const http = [{ name: 'http', protocol: 'tcp', port: 8080 }];
const db: DnsService = {
  ...{ namespace: 'shop', name: 'db', addresses: [], ports: [] },
  endpoints: [
    { address: '10.42.0.2', hostname: 'db-0', ports: http },
    { address: '10.42.1.3', hostname: undefined, ports: http },
    { address: 'fd00:42::4', hostname: 'db-2', ports: http },
  ],
};
const empty: DnsService = { namespace: 'shop', name: 'empty', addresses: [], ports: [], endpoints: [] };
const outside: DnsService = {
  namespace: 'shop',
  name: 'mail',
  addresses: [],
  ports: [],
  externalName: 'mx.example.com',
};

const zone = new ClusterZone('cluster.local');
zone.setServerAddresses(['10.43.0.10']);
for (const service of [web, db, empty, outside]) zone.set(service.namespace, service.name, service);

const TYPES = { ...Type, MX: 15 };

const shown = (record: Owned): string => {
  const { type, data } = record as { type: string; data: unknown };
  if (type === 'SOA') return 'SOA';
  if (type !== 'SRV') return `${type} ${String(data)}`;
  const { priority, weight, port, target } = data as Record<string, unknown>;
  return `SRV ${String(priority)} ${String(weight)} ${String(port)} ${String(target)}`;
};

/** `NXDOMAIN`, `NODATA`, the answers, or `-` for what is not of the zone. */
function asked(name: string, type: keyof typeof TYPES, of = zone): string {
  const found = of.find(name.split('.'), TYPES[type], 100);
  if (!found) return '-';
  if ('alias' in found) return `${shown(found.answer)}, and so on`;
  const { rcode, answers, authorities = [] } = found.reply;
  if (answers.length === 0 && authorities.map(shown).join() !== 'SOA') return 'no answer without authority';
  if (rcode !== 0) return rcode === 3 ? 'NXDOMAIN' : `code ${rcode}`;
  return answers.length === 0 ? 'NODATA' : answers.map(shown).sort().join(', ');
}

test('names of the zone', async (t) => {
  for (const [name, type, wanted] of [
    ['web.shop.svc.cluster.local', 'A', 'A 10.43.0.5'],
    ['web.shop.svc.cluster.local', 'AAAA', 'AAAA fd00:43::5'],
    ['WEB.Shop.SVC.cluster.LOCAL', 'A', 'A 10.43.0.5'],
    ['web.shop.svc.cluster.local', 'MX', 'NODATA'],
    ['web.shop.svc.cluster.local', 'ANY', 'A 10.43.0.5, AAAA fd00:43::5'],
    ['web.shop.svc.cluster.local', 'SRV', 'SRV 0 100 80 web.shop.svc.cluster.local'],
    ['_http._tcp.web.shop.svc.cluster.local', 'SRV', 'SRV 0 100 80 web.shop.svc.cluster.local'],
    ['_http._tcp.web.shop.svc.cluster.local', 'A', 'NODATA'],
    ['_http._udp.web.shop.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['_tcp.web.shop.svc.cluster.local', 'SRV', 'NODATA'],
    ['_https._tcp.web.shop.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['a._http._tcp.web.shop.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['x.web.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['nobody.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['web.nowhere.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['shop.svc.cluster.local', 'A', 'NODATA'],
    ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['svc.cluster.local', 'A', 'NODATA'],
    ['constructor.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['web.__proto__.svc.cluster.local', 'A', 'NXDOMAIN'],
    // Headless.
    ['db.shop.svc.cluster.local', 'A', 'A 10.42.0.2, A 10.42.1.3'],
    ['db.shop.svc.cluster.local', 'AAAA', 'AAAA fd00:42::4'],
    ['db-0.db.shop.svc.cluster.local', 'A', 'A 10.42.0.2'],
    ['db-0.db.shop.svc.cluster.local', 'AAAA', 'NODATA'],
    ['10-42-1-3.db.shop.svc.cluster.local', 'A', 'A 10.42.1.3'],
    ['db-2.db.shop.svc.cluster.local', 'AAAA', 'AAAA fd00:42::4'],
    ['db-9.db.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    [
      '_http._tcp.db.shop.svc.cluster.local',
      'SRV',
      'SRV 0 100 8080 10-42-1-3.db.shop.svc.cluster.local, SRV 0 100 8080 db-0.db.shop.svc.cluster.local, SRV 0 100 8080 db-2.db.shop.svc.cluster.local',
    ],
    ['empty.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    // Names.
    ['mail.shop.svc.cluster.local', 'A', 'CNAME mx.example.com, and so on'],
    ['x.mail.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    // Pods.
    ['10-42-0-2.shop.pod.cluster.local', 'A', 'A 10.42.0.2'],
    ['fd00-42--4.shop.pod.cluster.local', 'AAAA', 'AAAA fd00:42::4'],
    ['10-42-0-2.shop.pod.cluster.local', 'AAAA', 'NODATA'],
    ['10-42-0-300.shop.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['x.10-42-0-2.shop.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['shop.pod.cluster.local', 'A', 'NODATA'],
    // The zone itself.
    ['cluster.local', 'SOA', 'SOA'],
    ['cluster.local', 'NS', 'NS ns.dns.cluster.local'],
    ['cluster.local', 'A', 'NODATA'],
    ['ns.dns.cluster.local', 'A', 'A 10.43.0.10'],
    ['dns-version.cluster.local', 'TXT', 'TXT 1.1.0'],
    ['other.cluster.local', 'A', 'NXDOMAIN'],
    // Addresses.
    ['5.0.43.10.in-addr.arpa', 'PTR', 'PTR web.shop.svc.cluster.local'],
    ['2.0.42.10.in-addr.arpa', 'PTR', 'PTR db-0.db.shop.svc.cluster.local'],
    ['3.1.42.10.in-addr.arpa', 'PTR', '-'],
    [`5.${'0.'.repeat(23)}3.4.0.0.0.0.d.f.ip6.arpa`, 'PTR', 'PTR web.shop.svc.cluster.local'],
    ['05.0.43.10.in-addr.arpa', 'PTR', '-'],
    ['0.43.10.in-addr.arpa', 'PTR', '-'],
    // Others.
    ['example.com', 'A', '-'],
    ['local', 'A', '-'],
    ['notcluster.local', 'A', '-'],
    ['', 'NS', '-'],
  ] as const)
    t.equal(asked(name, type), wanted, `${type} ${name}`);
});

test('what changes is seen at once', async (t) => {
  const changing = new ClusterZone('Example.Org');
  const { version } = changing;
  changing.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.7'], ports: [] });
  t.not(changing.version, version);
  t.equal(asked('s.n.svc.example.org', 'A', changing), 'A 10.43.0.7');
  t.equal(asked('7.0.43.10.in-addr.arpa', 'PTR', changing), 'PTR s.n.svc.example.org');
  changing.set('n', 's', { namespace: 'n', name: 's', addresses: ['10.43.0.8'], ports: [] });
  t.equal(asked('s.n.svc.example.org', 'A', changing), 'A 10.43.0.8');
  t.equal(asked('7.0.43.10.in-addr.arpa', 'PTR', changing), '-');
  changing.set('n', 's', undefined);
  t.equal(asked('s.n.svc.example.org', 'A', changing), 'NXDOMAIN');
  t.equal(asked('n.svc.example.org', 'A', changing), 'NXDOMAIN');
  t.equal(asked('8.0.43.10.in-addr.arpa', 'PTR', changing), '-');
});

test('of several addresses another comes first each time', async (t) => {
  const firsts = new Set<unknown>();
  for (let index = 0; index < 200 && firsts.size < 2; index++) {
    const found = zone.find('db.shop.svc.cluster.local'.split('.'), Type.A, 100);
    if (found && 'reply' in found) firsts.add((found.reply.answers[0] as { data?: unknown }).data);
  }
  t.equal(firsts.size, 2);
});

test('who makes endpoints names no address of a Service, and none of the cluster is unknown to the zone', async (t) => {
  const hostile = new ClusterZone('cluster.local', [Cidr.parse('10.42.0.0/16')!, Cidr.parse('10.43.0.0/16')!]);
  hostile.set('shop', 'web', { ...web, addresses: ['10.43.0.5'] });
  const endpoints = ['10.43.0.5', '192.0.2.1'].map((address) => ({ address, hostname: 'bank', ports: http }));
  hostile.set('evil', 's', { namespace: 'evil', name: 's', addresses: [], ports: [], endpoints });
  for (const [name, wanted] of [
    ['5.0.43.10.in-addr.arpa', 'PTR web.shop.svc.cluster.local'],
    ['1.2.0.192.in-addr.arpa', 'PTR bank.s.evil.svc.cluster.local'],
    ['6.0.43.10.in-addr.arpa', 'NXDOMAIN'],
    ['6.0.42.10.in-addr.arpa', 'NXDOMAIN'],
    ['6.0.44.10.in-addr.arpa', '-'],
  ] as const)
    t.equal(asked(name, 'PTR', hostile), wanted, name);
  const found = hostile.find('6.0.43.10.in-addr.arpa'.split('.'), Type.PTR, 100);
  t.match(found, { reply: { authorities: [{ type: 'SOA', name: 'in-addr.arpa' }] } });
});

test('an endpoint that is in two slices has the ports of both', async (t) => {
  const twice = new ClusterZone('cluster.local');
  const https = [{ name: 'https', protocol: 'tcp', port: 8443 }];
  const endpoints = [http, https].map((ports) => ({ address: '10.42.0.2', hostname: 'a', ports }));
  twice.set('n', 's', { namespace: 'n', name: 's', addresses: [], ports: [], endpoints });
  t.equal(asked('s.n.svc.cluster.local', 'A', twice), 'A 10.42.0.2');
  t.equal(asked('_https._tcp.s.n.svc.cluster.local', 'SRV', twice), 'SRV 0 100 8443 a.s.n.svc.cluster.local');
  t.equal(
    asked('s.n.svc.cluster.local', 'SRV', twice),
    'SRV 0 100 8080 a.s.n.svc.cluster.local, SRV 0 100 8443 a.s.n.svc.cluster.local',
  );
});
