import t from 'tap';
import {
  flowsOf,
  isStale,
  parseFlow,
  expectedFlows,
  type UdpFlow,
} from '../../../../agent/network/services/conntrack/udp-flows.ts';
import type { ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { entryOf, type Shape } from '../../../support/service-entries.ts';

const NOTHING = expectedFlows([]);
const NODE = '192.0.2.1';
const dns = (shape: Shape): ServiceEntry =>
  entryOf({ name: 'dns', clusterIP: '10.43.0.10', protocol: 'UDP', port: 53, targetPort: 5353, ...shape });
const flow = (to: string, from: string): UdpFlow => {
  const [[destination = '', destinationPort], [replySource = '', replySourcePort]] = [to.split(':'), from.split(':')];
  return {
    family: 'IPv4',
    destination,
    destinationPort: Number(destinationPort),
    replySource,
    replySourcePort: Number(replySourcePort),
  };
};
const stale = (one: UdpFlow, services: ServiceEntry[], before: ServiceEntry[] = []): boolean =>
  isStale(one, expectedFlows(services), expectedFlows(before), (address) => address === NODE);

t.test('parses the formats of conntrack -L', async (t) => {
  const expected = flow('10.43.0.10:53', '10.42.0.2:5353');
  const reply = 'src=10.42.0.2 dst=10.42.0.9 sport=5353 dport=40000';
  const line = `src=10.42.0.9 dst=10.43.0.10 sport=40000 dport=53 [UNREPLIED] ${reply} mark=0 use=1`;
  t.strictSame(parseFlow(`udp      17 25 ${line}`, 'IPv4'), expected);
  t.strictSame(parseFlow(`ipv4     2 udp      17 25 ${line}`, 'IPv4'), expected);
  t.strictSame(
    parseFlow(
      `udp      17 119 src=10.42.0.9 dst=10.43.0.10 sport=40000 dport=53 packets=2 bytes=58 ${reply} [ASSURED]`,
      'IPv4',
    ),
    expected,
  );
  for (const other of [
    '',
    'tcp      6 25 ESTABLISHED src=1.1.1.1',
    'udp      17 25 src=10.42.0.9 dst=10.43.0.10',
    'udp',
  ])
    t.equal(parseFlow(other, 'IPv4'), undefined);
});

t.test('a flow is kept while its endpoint serves, even terminating, and is stale otherwise', async (t) => {
  const toFirst = flow('10.43.0.10:53', '10.42.0.2:5353');
  const terminating = { ready: false, serving: true, terminating: true };
  t.notOk(stale(toFirst, [dns({ endpoints: ['10.42.0.2', '10.42.0.3'] })]));
  t.notOk(stale(toFirst, [dns({ endpoints: [{ ip: '10.42.0.2', conditions: terminating }, '10.42.0.3'] })]));
  t.ok(stale(toFirst, [dns({ endpoints: [{ ip: '10.42.0.2', conditions: { ...terminating, serving: false } }] })]));
  t.ok(stale(toFirst, [dns({ endpoints: ['10.42.0.3'] })]), 'the endpoint was removed');
  t.ok(stale(toFirst, [dns({ endpoints: ['10.42.0.2'], targetPort: 5354 })]), 'its port has changed');
  t.ok(stale(toFirst, [dns({})]), 'nobody serves');
  t.notOk(stale(toFirst, [dns({ endpoints: ['10.42.0.2'], spec: { internalTrafficPolicy: 'Local' } })]));
});

t.test('a flow from before its Service had endpoints is stale once it has', async (t) => {
  t.ok(stale(flow('10.43.0.10:53', '10.43.0.10:53'), [dns({ endpoints: ['10.42.0.2'] })]));
});

t.test('flows to a removed frontend are stale where they were forwarded', async (t) => {
  const old = dns({
    endpoints: ['10.42.0.2'],
    nodePort: 30053,
    spec: { type: 'NodePort', externalIPs: ['198.51.100.1'] },
  });
  for (const frontend of ['10.43.0.10:53', '198.51.100.1:53', `${NODE}:30053`]) {
    t.ok(stale(flow(frontend, '10.42.0.2:5353'), [], [old]), frontend);
    t.notOk(stale(flow(frontend, frontend), [], [old]), `${frontend} itself`);
    t.notOk(stale(flow(frontend, '10.42.0.2:5353'), []), `${frontend}, of no Service`);
  }
});

t.test('node ports are per node, and external addresses may have several Services', async (t) => {
  const one = dns({
    endpoints: ['10.42.0.2'],
    nodePort: 30053,
    spec: { type: 'NodePort', externalIPs: ['198.51.100.1'] },
  });
  const two = dns({
    name: 'two',
    clusterIP: '10.43.0.11',
    endpoints: ['10.42.0.3'],
    spec: { externalIPs: ['198.51.100.1'] },
  });
  t.ok(stale(flow(`${NODE}:30053`, '10.42.0.9:5353'), [one]));
  t.notOk(stale(flow('198.51.100.9:30053', '198.51.100.9:30053'), [one]), 'another host with the same port');
  for (const endpoint of ['10.42.0.2:5353', '10.42.0.3:5353'])
    t.notOk(stale(flow('198.51.100.1:53', endpoint), [one, two]));
});

t.test('only changes that concern UDP flows trigger a comparison', async (t) => {
  const ready = dns({ endpoints: ['10.42.0.2'] });
  const terminating = { ready: false, serving: true, terminating: true };
  t.equal(flowsOf(dns({ endpoints: [{ ip: '10.42.0.2', conditions: terminating }] })), flowsOf(ready));
  t.not(flowsOf(dns({ endpoints: ['10.42.0.3'] })), flowsOf(ready));
  t.not(flowsOf(undefined), flowsOf(ready));
  t.equal(flowsOf(entryOf({ endpoints: ['10.42.0.2'] })), flowsOf(undefined), 'a TCP Service');
  t.strictSame(expectedFlows([entryOf({ endpoints: ['10.42.0.2'] })]), NOTHING);
});
