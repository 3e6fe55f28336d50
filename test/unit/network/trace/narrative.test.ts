/** Recorded traces as the sentences that an operator reads. */
import { test } from 'tap';
import { parseTraceLine } from '../../../../agent/network/netfilter/trace-text.ts';
import { explainPolicies } from '../../../../agent/network/policy/explain.ts';
import { explainProxy } from '../../../../agent/network/services/backends/proxy-modes.ts';
import type { ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { Journeys } from '../../../../agent/network/trace/journeys.ts';
import { narrate, type Narrative } from '../../../../agent/network/trace/narrative.ts';
import type { ProbeOutcome } from '../../../../agent/network/trace/probe.ts';
import { IpAddress } from '../../../../api/domain/address.ts';
import { entryOf } from '../../../support/service-entries.ts';

const TRACE = 'inet kedge-trace-00';
const TO_SERVICE = 'ip saddr 10.42.0.3 ip daddr 10.43.0.5 ip length 60 tcp sport 40000 tcp dport 80 tcp flags == syn';
const TO_POD = 'ip saddr 10.42.0.3 ip daddr 10.42.0.2 ip length 60 tcp sport 40000 tcp dport 8080 tcp flags == syn';
const FROM_POD = 'ip saddr 10.42.0.2 ip daddr 10.42.0.3 ip length 60 tcp sport 8080 tcp dport 40000 tcp flags ==';

/** The lines without their `trace id`: the first packet sent is 1a, its answer 2b. */
const SENT = [
  `1a ${TRACE} sent-in packet: iif "cni0" ${TO_SERVICE}`,
  `1a ${TRACE} sent-in rule meta nftrace set 1 comment "sent" # handle 8 (verdict continue)`,
];
const CHOSEN = [
  `1a ip kube-proxy nat-prerouting packet: iif "cni0" ${TO_SERVICE}`,
  '1a ip kube-proxy nat-prerouting rule jump services comment "service portals #2d7d7753" # handle 45 (verdict jump services)',
  '1a ip kube-proxy services rule ip daddr . meta l4proto . th dport vmap @service-ips comment "addresses of Services #d8" # handle 50 (verdict goto endpoints-1)',
  '1a ip kube-proxy endpoints-1 rule meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @endpoints-1 comment "one of 1 #78" # handle 30 (verdict accept)',
];
const LEFT = [`1a ${TRACE} left packet: oif "cni0" ${TO_POD}`, `1a ${TRACE} left policy accept`];
const answer = (flags: string): string[] => [
  `2b ${TRACE} known-in packet: iif "cni0" ${FROM_POD} ${flags}`,
  `2b ${TRACE} known-in rule meta nftrace set 1 comment "answer" # handle 12 (verdict continue)`,
];

const SERVED = entryOf({ endpoints: ['10.42.0.2'] });
const UNSERVED = entryOf({ endpoints: [{ ip: '10.42.0.2', conditions: { ready: false } }] });
const RANGED = entryOf({
  endpoints: ['10.42.0.2'],
  ingress: ['10.43.0.5'],
  spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] },
});
const SILENT: ProbeOutcome = { kind: 'silent', milliseconds: 3000 };
const REFUSED: ProbeOutcome = { kind: 'failed', code: 'ECONNREFUSED', milliseconds: 1 };

function told(
  lines: readonly string[],
  outcome: ProbeOutcome,
  service: ServiceEntry | undefined = SERVED,
  protocol: 'TCP' | 'UDP' = 'TCP',
): Narrative {
  const journeys = new Journeys();
  for (const line of lines) {
    const event = parseTraceLine(`trace id ${line}`);
    if (!event) throw new Error(`not read: ${line}`);
    journeys.add(event);
  }
  return narrate({
    connection: {
      ...{ protocol, source: IpAddress.parse('10.42.0.3')!, sourcePort: 40000 },
      ...{ destination: IpAddress.parse('10.43.0.5')!, port: 80 },
    },
    ...{ journeys: journeys.all, outcome, service, explain: [...explainProxy, explainPolicies] },
    hasSilentRules: false,
    who: ({ text }) => (text === '10.42.0.2' ? 'pod default/web-0' : undefined),
  });
}

test('the way of a connection that is served', (t) => {
  const story = told([...SENT, ...CHOSEN, ...LEFT, ...answer('0x12')], { kind: 'connected', milliseconds: 0.4 });
  t.strictSame(
    story.steps.map(({ packet, text, where }) => [packet, text, where]),
    [
      ['sent', 'from 10.42.0.3:40000 to 10.43.0.5:80, comes in by link cni0', undefined],
      ['sent', "it is a Service's: map service-ips leads to chain endpoints-1", 'ip kube-proxy services'],
      ['sent', 'the one endpoint is chosen', 'ip kube-proxy endpoints-1'],
      ['sent', 'its destination is now 10.42.0.2:8080 (pod default/web-0)', undefined],
      ['sent', 'leaves by link cni0', undefined],
      ['answer', 'SYN-ACK from 10.42.0.2:8080 (pod default/web-0), comes in by link cni0', undefined],
    ],
  );
  t.equal(story.translatedTo, '10.42.0.2:8080');
  t.strictSame(story.verdict, {
    ...{ ok: true, cause: undefined },
    text: '10.43.0.5:80 is served: the connection was accepted by 10.42.0.2:8080 (pod default/web-0) after 0.4 ms',
  });
  t.end();
});

const inForward = (rule: string): string[] => [
  `1a ip kube-proxy filter-forward packet: iif "cni0" oif "out0" ${TO_SERVICE}`,
  `1a ip kube-proxy ${rule}`,
];
const ROWS: readonly {
  readonly name: string;
  readonly lines: readonly string[];
  readonly outcome?: ProbeOutcome;
  readonly service?: ServiceEntry;
  readonly protocol?: 'UDP';
  readonly verdict: { readonly ok: boolean | undefined; readonly cause: string; readonly text: string | RegExp };
}[] = [
  {
    name: 'nothing listens in the pod',
    lines: [...SENT, ...CHOSEN, ...LEFT, ...answer('0x14')],
    outcome: REFUSED,
    verdict: {
      ...{ ok: false, cause: 'not-listening' },
      text: '10.42.0.2:8080 (pod default/web-0) refused the connection: nothing listens at that port there',
    },
  },
  {
    name: 'no ready endpoints',
    lines: [
      ...SENT,
      ...inForward(
        'endpoints-check rule ip daddr 10.43.0.0/16 fib daddr type != local goto reject-chain comment "no such Service, port or endpoints #1" # handle 3 (verdict goto reject-chain)',
      ),
      '1a ip kube-proxy reject-chain rule reject with icmp port-unreachable comment "no endpoints #2" # handle 4 (verdict drop)',
    ],
    outcome: REFUSED,
    service: UNSERVED,
    verdict: {
      ...{ ok: false, cause: 'no-endpoints' },
      text: 'the packet to 10.43.0.5:80 was rejected: Service default/web has no ready endpoints: none of its 1 may be used',
    },
  },
  {
    name: 'its rules are not in the kernel, and others reject what has none',
    lines: [
      ...SENT,
      '1a ip filter FORWARD packet: iif "cni0" oif "out0" ' + TO_SERVICE,
      '1a ip filter KUBE-SERVICES rule -d 10.43.0.0/16 -m addrtype ! --dst-type LOCAL -m comment --comment "no such Service or no endpoints" -j REJECT --reject-with icmp-port-unreachable # handle 4 (verdict drop)',
    ],
    outcome: REFUSED,
    verdict: {
      ok: false,
      cause: 'untranslated',
      text: /its rules are not in the kernel; kedge proxy show default\/web/,
    },
  },
  {
    name: 'the policy is Local, and no endpoint is here',
    lines: [
      ...SENT,
      ...inForward(
        'endpoints-check rule ip daddr . meta l4proto . th dport vmap @no-endpoint-services comment "addresses without endpoints #1" # handle 3 (verdict drop)',
      ),
    ],
    verdict: { ok: false, cause: 'no-local-endpoints', text: /no endpoint on this node, and its policy is Local$/ },
  },
  {
    name: 'source ranges, in mode iptables',
    lines: [
      ...SENT,
      '1a ip filter FORWARD packet: iif "cni0" oif "out0" ' + TO_SERVICE,
      '1a ip filter KUBE-SERVICES-10-43-0 rule -d 10.43.0.5/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:web" -j DROP # handle 4 (verdict drop)',
    ],
    service: RANGED,
    verdict: {
      ok: false,
      cause: 'source-ranges',
      text: /source ranges of default\/web:web do not admit 10\.42\.0\.3$/,
    },
  },
  {
    name: 'a network policy',
    lines: [
      ...SENT,
      ...CHOSEN,
      `1a inet kedge-policy forward packet: iif "cni0" oif "cni0" ${TO_POD}`,
      '1a inet kedge-policy forward rule ct reply ip saddr vmap @ingress-v4 # handle 30 (verdict jump ingress-0f-v4)',
      '1a inet kedge-policy ingress-0f-v4 rule drop comment "default/closed default/web" # handle 31 (verdict drop)',
    ],
    verdict: {
      ...{ ok: false, cause: 'network-policy' },
      text: 'the packet to 10.43.0.5:80 was stopped: no rule of NetworkPolicy default/closed, default/web, which applies to the pod it goes to, allows it (ingress)',
    },
  },
  {
    name: 'the policy of a chain of somebody else',
    lines: [
      ...SENT,
      ...CHOSEN,
      `1a ip filter FORWARD packet: iif "cni0" oif "cni0" ${TO_POD}`,
      '1a ip filter FORWARD policy drop',
    ],
    verdict: { ok: false, cause: 'other-rule', text: /dropped by the policy of the chain/ },
  },
  {
    name: 'an answer that is dropped',
    lines: [
      ...[...SENT, ...CHOSEN, ...LEFT, ...answer('0x12')],
      `2b ip filter FORWARD packet: iif "cni0" oif "cni0" ${FROM_POD} 0x12`,
      '2b ip filter FORWARD rule -j DROP # handle 31 (verdict drop)',
    ],
    verdict: {
      ok: false,
      cause: 'other-rule',
      text: /^the answer of .*web-0\) was stopped on its way back: dropped by a rule of somebody else: -j DROP/,
    },
  },
  {
    name: 'a pod that does not answer',
    lines: [...SENT, ...CHOSEN, ...LEFT],
    verdict: {
      ...{ ok: false, cause: 'no-answer' },
      text: 'the packet went to 10.42.0.2:8080 (pod default/web-0), which did not answer within 3 s',
    },
  },
  {
    name: 'a datagram that is not answered',
    lines: [...SENT, ...CHOSEN, ...LEFT],
    protocol: 'UDP',
    verdict: { ok: undefined, cause: 'no-answer', text: /not every program answers/ },
  },
  {
    name: 'a packet that was lost after its destination was chosen',
    lines: [...SENT, ...CHOSEN],
    verdict: { ok: false, cause: 'no-way', text: /no route to 10\.42\.0\.2:8080/ },
  },
  {
    name: 'a packet that nothing translates',
    lines: [...SENT, `1a ${TRACE} left packet: oif "out0" ${TO_SERVICE}`],
    verdict: { ok: false, cause: 'untranslated', text: /it went out by link out0/ },
  },
  {
    name: 'a client without a route',
    lines: [],
    outcome: { kind: 'failed', code: 'ENETUNREACH', milliseconds: 0 },
    verdict: {
      ok: false,
      cause: 'no-way',
      text: 'no packet was sent: the client has no route to 10.43.0.5:80 (ENETUNREACH)',
    },
  },
];
for (const { name, lines, outcome = SILENT, service, protocol, verdict } of ROWS)
  test(name, (t) => {
    t.match(told(lines, outcome, service, protocol).verdict, verdict);
    t.end();
  });

test('packets are told apart by what they pass, and not by the number that the kernel has for them', (t) => {
  const again = SENT.map((line) => line.replace('== syn', '== ack'));
  const journeys = new Journeys();
  // A bridge hands the first packet to its host under the number 9f.
  const handed = `9f ip kube-proxy filter-forward packet: iif "cni0" oif "out0" ${TO_SERVICE}`;
  const others = `7c ip filter FORWARD packet: iif "cni0" ${TO_SERVICE.replace('40000', '40001')}`;
  for (const line of [...SENT, ...CHOSEN, handed, others, ...again, ...CHOSEN]) {
    const event = parseTraceLine(`trace id ${line}`);
    if (event) journeys.add(event);
  }
  t.strictSame(
    journeys.all.map(({ header, events }) => [[...header.flags], events.length]),
    [
      [['syn'], CHOSEN.length + 1],
      [['ack'], CHOSEN.length],
    ],
  );
  t.end();
});
