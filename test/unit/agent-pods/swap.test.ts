import { test } from 'tap';
import { hasSwap } from '../../../agent/host/swap.ts';
import { containerResources } from '../../../agent/resources/compute.ts';
import { swapLimit, swapResizeProblem, type SwapHost } from '../../../agent/resources/swap.ts';
import type { Container, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';

const GI = 2 ** 30;
const host: SwapHost = {
  ...{ capacityBytes: 2 * GI, isLimitable: true, behavior: 'LimitedSwap' },
  ...{ cgroupVersion: 2, memoryCapacityBytes: 8 * GI },
};
const asking = (request?: string, limit?: string, more: Partial<Container> = {}): Container => ({
  ...{ name: 'c', image: 'i' },
  resources: { ...(request && { requests: { memory: request } }), ...(limit && { limits: { memory: limit } }) },
  ...more,
});
const podOf = (container: Container, spec: Partial<PodSpec> = {}, source = 'api'): Pod => ({
  metadata: { uid: 'u', annotations: { 'kubernetes.io/config.source': source } },
  spec: { containers: [container], ...spec },
});

test('a Burstable container has swap in proportion to the memory that it requests', async (t) => {
  const limitOf = (container: Container, spec: Partial<PodSpec> = {}, source = 'api', of = host) =>
    swapLimit(podOf(container, spec, source), container, of);
  t.equal(limitOf(asking('1Gi', '2Gi')), GI / 4);
  t.equal(limitOf(asking('1Gi')), GI / 4, 'without a limit, too');
  t.equal(limitOf(asking('1Gi', '1Gi')), 0, 'not where it has all that it may have');
  t.equal(limitOf(asking()), 0, 'not of BestEffort');
  t.equal(limitOf(asking('9Gi', '10Gi')), 0, 'not where it requests more than there is');
  t.equal(limitOf(asking('1Gi', '2Gi'), { priority: 2_000_000_000 }), 0, 'not of critical pods');
  t.equal(limitOf(asking('1Gi', '2Gi'), {}, 'file'), 0, 'not of static pods');
  t.equal(limitOf(asking('1Gi', '2Gi'), {}, 'api', { ...host, behavior: 'NoSwap' }), 0);
  t.equal(limitOf(asking('1Gi', '2Gi'), {}, 'api', { ...host, isLimitable: false }), undefined);
  t.equal(limitOf(asking('1Gi', '2Gi'), {}, 'api', { ...host, cgroupVersion: 1 }), undefined);
  const guaranteed = { ...asking(), resources: { limits: { cpu: '1', memory: '1Gi' } } };
  t.equal(limitOf(guaranteed), 0);
});

test('containers together have no more swap than the host', async (t) => {
  for (let least = 1; least < 300; least += 7) {
    const sizes: number[] = [];
    for (let left = 8192; left > 0; left -= sizes.at(-1) ?? left)
      sizes.push(Math.min(left, least * (sizes.length + 1)));
    const limits = sizes.map((size) => swapLimit(podOf(asking(`${size}Mi`)), asking(`${size}Mi`), host) ?? 0);
    const sum = limits.reduce((all, limit) => all + limit, 0);
    t.ok(sum <= host.capacityBytes && sum > host.capacityBytes - sizes.length, sizes.join(' '));
  }
});

test('cgroups are told of it as their version has it', async (t) => {
  const given = (swap: SwapHost, container = asking('1Gi', '2Gi')) =>
    containerResources(podOf(container), container, {
      ...{ memoryCapacityBytes: 8 * GI, lowestOomScoreAdj: -1000, cgroupVersion: swap.cgroupVersion, swap },
    });
  t.match(given(host).unified, { 'memory.swap.max': String(GI / 4) });
  t.match(given({ ...host, behavior: 'NoSwap' }).unified, { 'memory.swap.max': '0' });
  t.notMatch(given({ ...host, isLimitable: false }).unified, { 'memory.swap.max': /./ });
  t.equal(given({ ...host, cgroupVersion: 1 }).memorySwapLimitInBytes, 2 * GI, 'memory and swap together');
  t.equal(given({ ...host, cgroupVersion: 1 }, asking('1Gi')).memorySwapLimitInBytes, undefined);
  t.equal(given(host).memorySwapLimitInBytes, undefined);
});

test('what may swap is not resized in place', async (t) => {
  const problem = (before: Container, after: Container, of = host) =>
    swapResizeProblem({ allocated: podOf(before), wanted: podOf(after) }, of)?.message;
  const words = 'In-place resize of containers with swap is not supported.';
  t.equal(problem(asking('1Gi', '2Gi'), asking('2Gi', '3Gi')), words);
  t.equal(problem(asking('1Gi', '1Gi'), asking('1Gi', '2Gi')), undefined, 'the request is the same');
  t.equal(problem(asking('1Gi', '2Gi'), asking('2Gi', '2Gi')), words);
  t.equal(problem(asking('1Gi', '2Gi'), asking('2Gi', '3Gi'), { ...host, behavior: 'NoSwap' }), undefined);
  const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
  t.equal(problem(asking('1Gi', '2Gi', { resizePolicy }), asking('2Gi', '3Gi')), undefined, 'it starts anew');
});

test('a heading alone is no swap', async (t) => {
  const heading = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
  t.notOk(hasSwap(heading));
  t.notOk(hasSwap(''));
  t.ok(hasSwap(`${heading}/dev/sda2 partition 1048572 0 -2\n`));
});
