import t from 'tap';
import { hollowAddress, MAX_HOLLOW_NODES } from '../../../agent/hollow/addresses.ts';
import { defaultHollowConfig, hollowSettings, type HollowConfig } from '../../../agent/hollow/config.ts';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';

t.test('every hollow node has an address of the range for benchmarks', (t) => {
  const range = Cidr.parse('198.18.0.0/15');
  for (const index of [0, 255, MAX_HOLLOW_NODES - 1]) {
    const address = IpAddress.parse(hollowAddress(index));
    t.ok(address && range?.contains(address), hollowAddress(index));
  }
  t.equal(hollowAddress(MAX_HOLLOW_NODES - 1), '198.19.255.254');
  t.end();
});

t.test('settings are checked', (t) => {
  const problem = (change: Partial<HollowConfig>): string | undefined => {
    const settings = { ...defaultHollowConfig, ...change };
    const { rules } = hollowSettings;
    return [
      rules.nodes?.(settings.nodes, settings),
      rules.prefix?.(settings.prefix, settings),
      rules.memory?.(settings.memory, settings),
      rules.leaseSeconds?.(settings.leaseSeconds, settings),
    ].find((one) => one !== undefined);
  };
  t.equal(problem({}), undefined);
  t.equal(problem({ nodes: 0 }), `must be a whole number from 1 to ${MAX_HOLLOW_NODES}, not 0`);
  t.match(problem({ prefix: 'Upper_case' }), /^cannot be used: .*lower case/);
  t.equal(problem({ memory: '256 GB' }), 'must be a quantity such as 32 or 256Gi, not "256 GB"');
  t.equal(problem({ leaseSeconds: 1 }), 'must be a whole number of at least 4, not 1');
  t.end();
});
