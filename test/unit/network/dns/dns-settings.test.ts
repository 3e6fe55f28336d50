/** The ConfigMap of the cluster's DNS. */
import { test } from 'tap';
import { readDnsSettings } from '../../../../agent/network/dns/dns-settings.ts';

test('settings are read, and what is invalid is ignored alone', async (t) => {
  const { settings, problems } = readDnsSettings({
    stubDomains: JSON.stringify({
      'Corp.Example.': ['192.0.2.53', '192.0.2.54:5353'],
      'six.example': ['2001:db8::53', '[2001:db8::54]:5353'],
      'bad domain': ['192.0.2.1'],
      'none.example': ['nowhere', 7],
      'text.example': '192.0.2.1',
      __proto__: ['192.0.2.9'],
    }),
    upstreamNameservers: '["192.0.2.1", "192.0.2.2:0", "192.0.2.3:70000"]',
    hosts:
      '# comment\n192.0.2.5  Printer printer.example # there\n\n2001:db8::5 printer\nhost 1.2.3.4\n192.0.2.5 printer\n',
    Corefile: '. { }',
  });
  t.strictSame(
    [...settings.stubDomains],
    [
      [
        'corp.example',
        [
          { address: '192.0.2.53', port: 53 },
          { address: '192.0.2.54', port: 5353 },
        ],
      ],
      [
        'six.example',
        [
          { address: '2001:db8::53', port: 53 },
          { address: '2001:db8::54', port: 5353 },
        ],
      ],
    ],
  );
  t.strictSame(settings.upstreams, [{ address: '192.0.2.1', port: 53 }]);
  t.strictSame(
    [...settings.hosts],
    [
      ['printer', ['192.0.2.5', '2001:db8::5']],
      ['printer.example', ['192.0.2.5']],
    ],
  );
  t.strictSame(problems, [
    'stubDomains: "bad domain" is no domain',
    'stubDomains of "none.example": "nowhere" is no address',
    'stubDomains of "none.example": 7 is no address',
    'stubDomains of "text.example": no list of servers',
    'upstreamNameservers: "192.0.2.2:0" is no address',
    'upstreamNameservers: "192.0.2.3:70000" is no address',
    'hosts: line 5 begins with no address',
  ]);
});

test('nothing, and nonsense', async (t) => {
  for (const [data, wanted] of [
    [undefined, []],
    [{}, []],
    [
      { stubDomains: '[', upstreamNameservers: '{}' },
      ['stubDomains is no JSON', 'upstreamNameservers: no list of servers'],
    ],
    [
      { stubDomains: '[]', upstreamNameservers: 'null' },
      ['stubDomains is no object', 'upstreamNameservers: no list of servers'],
    ],
  ] as const) {
    const { settings, problems } = readDnsSettings(data);
    t.strictSame(problems, wanted);
    t.same([settings.stubDomains.size, settings.upstreams, settings.hosts.size], [0, undefined, 0]);
  }
  const many = Array.from({ length: 20_000 }, (_, index) => `192.0.2.1 name-${index}`).join('\n');
  t.equal(readDnsSettings({ hosts: many }).settings.hosts.size, 10_000);
});
