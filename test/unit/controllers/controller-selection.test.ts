import t from 'tap';
import { allControllers } from '../../../control-plane/controllers/main.ts';
import { CONTROLLER_NAMES, isSelected } from '../../../control-plane/controller-selection.ts';

const JOBS = 'job-controller';

t.test('the first item that names a controller decides, and else whether all are selected', (t) => {
  for (const [selection, expected] of [
    [['*'], true],
    [[], false],
    [[JOBS], true],
    [[`-${JOBS}`], false],
    [['*', `-${JOBS}`], false],
    [[`-${JOBS}`, '*'], false],
    [['namespace-controller'], false],
    [['-namespace-controller', '*'], true],
    [[JOBS, `-${JOBS}`], true],
    [[`-${JOBS}`, JOBS], false],
  ] as const)
    t.equal(isSelected(JOBS, selection), expected, selection.join(','));
  t.end();
});

t.test('all controllers can be selected, and no others', (t) => {
  const controllers = allControllers({
    ...{ rootCa: '', clusterCidr: '10.42.0.0/16', nodeMaskSizes: { IPv4: 24, IPv6: 64 }, nodeMonitorGraceSeconds: 40 },
    inventory: '',
    ...{ loadBalancerPools: [], isReservedPort: () => false },
    sign: () => Promise.resolve(''),
    signToken: () => '',
  });
  t.strictSame(controllers.map(({ name }) => name).sort(), [...CONTROLLER_NAMES].sort());
  t.end();
});
