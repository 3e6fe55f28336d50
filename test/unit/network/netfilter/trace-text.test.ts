/** Lines that `nft monitor trace` of 1.0.6 has printed, and of 1.1 as its source says. */
import { test } from 'tap';
import { parseTraceLine } from '../../../../agent/network/netfilter/trace-text.ts';
import { traceTable, whoseOf, type Connection } from '../../../../agent/network/netfilter/packet-trace.ts';
import { IpAddress } from '../../../../api/domain/address.ts';

test('a packet that enters a chain', (t) => {
  const line =
    'trace id 66aac8e4 ip kube-proxy nat-prerouting packet: iif "cni0" ether saddr 1a:8d:85:45:f8:3f ether daddr 8a:f0:4f:3b:65:d6 ' +
    'ip saddr 10.42.0.2 ip daddr 10.43.0.5 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 50741 ip length 60 tcp sport 60696 tcp dport 80 ' +
    'tcp flags == syn tcp window 64240 ';
  const event = parseTraceLine(line);
  t.match(event, { id: '66aac8e4', table: 'ip kube-proxy', chain: 'nat-prerouting', kind: 'packet' });
  if (event?.kind !== 'packet') throw new Error('no packet');
  const { source, destination, ...header } = event.header;
  t.strictSame([source?.text, destination?.text], ['10.42.0.2', '10.43.0.5']);
  t.strictSame(header, {
    ...{ iif: 'cni0', oif: undefined, sourcePort: 60696, port: 80, flags: new Set(['syn']), icmp: undefined },
  });
  t.end();
});

test('flags, errors and addresses of packets', (t) => {
  const rows = [
    ['tcp sport 8080 tcp dport 60696 tcp flags == 0x12 tcp window 65160', { flags: new Set(['syn', 'ack']) }],
    ['tcp sport 8080 tcp dport 60696 tcp flags == syn | ack tcp window 65160', { flags: new Set(['syn', 'ack']) }],
    ['tcp sport 9 tcp dport 42145 tcp flags == 0x14 tcp window 0', { flags: new Set(['rst', 'ack']) }],
    ['udp sport 53 udp dport 4000 udp length 25', { sourcePort: 53, port: 4000 }],
    [
      'ip saddr 10.42.0.1 ip daddr 10.42.0.2 icmp type destination-unreachable icmp code port-unreachable icmp id 0',
      { icmp: 'destination-unreachable port-unreachable', port: undefined },
    ],
    [
      'ip6 saddr fd00:42::1 ip6 daddr fd00:42::3 icmpv6 type destination-unreachable icmpv6 code port-unreachable',
      { icmp: 'destination-unreachable port-unreachable' },
    ],
    ['oif "eth0" @ll,0,112 0x667d87a0 ip saddr 10.42.0.2', { oif: 'eth0', iif: undefined }],
  ] as const;
  for (const [text, header] of rows)
    t.match(parseTraceLine(`trace id 1a ip filter FORWARD packet: ${text} `), { kind: 'packet', header }, text);
  t.end();
});

test('rules that a packet has matched, and ends of chains', (t) => {
  const rows = [
    [
      'ip kube-proxy services rule ip daddr . meta l4proto . th dport vmap @service-ips comment "addresses of Services #d8c4cc7f" # handle 50 (verdict goto endpoints-1)',
      {
        ...{ kind: 'rule', table: 'ip kube-proxy', chain: 'services', handle: 50, verdict: 'goto endpoints-1' },
        ...{ text: 'ip daddr . meta l4proto . th dport vmap @service-ips', comment: 'addresses of Services #d8c4cc7f' },
      },
    ],
    [
      'ip nat PREROUTING rule ip daddr 10.43.0.6 tcp dport 80  counter packets 0 bytes 0 dnat to 10.42.0.3:8080 # handle 2 (verdict accept)',
      { text: 'ip daddr 10.43.0.6 tcp dport 80  counter packets 0 bytes 0 dnat to 10.42.0.3:8080', comment: undefined },
    ],
    [
      'inet kedge-policy ingress-1f-v4 rule drop comment "default/closed" # handle 9 (verdict drop)',
      { verdict: 'drop' },
    ],
    ['ip kube-proxy filter-output policy accept meta mark 0x00004000 ', { kind: 'policy', verdict: 'accept' }],
    ['ip filter FORWARD policy drop ', { kind: 'policy', verdict: 'drop' }],
  ] as const;
  for (const [text, expected] of rows) t.match(parseTraceLine(`trace id 0a ${text}`), expected, text);
  t.end();
});

test('other lines say nothing', (t) => {
  for (const line of [
    '',
    'add table ip x',
    'trace id zz ip a b rule',
    'trace id 1 ip a b verdict continue ',
    '# ERROR: netlink',
  ])
    t.equal(parseTraceLine(line), undefined, line);
  t.end();
});

test('the table of a trace matches one connection, and says whose each packet is', (t) => {
  const connection: Connection = {
    ...{ protocol: 'TCP', source: IpAddress.parse('10.42.0.3')!, sourcePort: 40000 },
    ...{ destination: IpAddress.parse('10.43.0.5')!, port: 80 },
  };
  const commands = traceTable('kedge-trace-1', connection, new Map([['begin', 4321]]));
  t.equal(commands[0], 'add table inet kedge-trace-1 { flags owner; }', 'which the kernel removes with its program');
  const rules = commands.filter((command) => command.startsWith('add rule'));
  t.equal(rules.length, 7);
  for (const rule of rules)
    t.match(rule, /10\.42\.0\.3.*40000|udp sport 4321 udp dport 4321/, 'of these packets alone');
  const at = { id: '1', table: 'inet kedge-trace-1', chain: 'known-in', kind: 'rule', text: '', handle: 1 } as const;
  t.equal(whoseOf({ ...at, comment: 'answer', verdict: 'continue' }), 'answer');
  t.equal(whoseOf({ ...at, table: 'ip kube-proxy', comment: 'answer', verdict: 'continue' }), undefined);
  t.end();
});
