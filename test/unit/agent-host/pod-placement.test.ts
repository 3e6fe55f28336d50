import { pino } from 'pino';
import t from 'tap';
import { CriError, status } from '../../../agent/cri/rpc-error.ts';
import type { ContainerState, ContainerStatus } from '../../../agent/cri/types.ts';
import { PodPlacement } from '../../../agent/topology/pod-placement.ts';

const signal = new AbortController().signal;

t.test('a container whose CPUs cannot be set holds up no other one, and is tried again', async (t) => {
  const failing = new Map<string, ContainerState | undefined>([
    ['ended', 'CONTAINER_EXITED'],
    ['removed', undefined],
    ['ending', 'CONTAINER_RUNNING'],
  ]);
  const told: string[] = [];
  const warnings: string[] = [];
  const placement = await PodPlacement.open({
    settings: {
      topology: [0, 1].map((cpu) => ({ cpu, core: cpu, socket: 0, node: 0 })),
      ...{ reserved: new Set([0]), isStatic: true, fullCores: false, distributed: false },
      ...{ policy: 'none', scope: 'container' },
    },
    cri: {
      updateContainerResources: async (id) => {
        told.push(id);
        if (failing.has(id)) throw new CriError('UpdateContainerResources', status.UNKNOWN, 'runc did not terminate');
      },
      containerStatus: async (id) => {
        const state = failing.get(id);
        if (state === undefined) throw new CriError('ContainerStatus', status.NOT_FOUND, 'no such container');
        return { state } as ContainerStatus;
      },
    },
    ...{ dataDir: t.testdir(), isActive: () => true },
    logger: pino({ level: 'warn' }, { write: (line) => warnings.push(line) }),
    running: () => ['ended', 'removed', 'ending', 'after'].map((id) => ({ podUid: 'other', name: id, id })),
  });
  const next = { metadata: { uid: 'p' } };
  t.match(await placement.prepare(next, { name: 'main' }, signal), { cpus: '0-1' });
  t.strictSame(told, ['ended', 'removed', 'ending', 'after']);
  t.equal(warnings.length, 1);
  t.match(JSON.parse(warnings[0] ?? ''), { container: 'ending', podUID: 'other' });
  failing.delete('ending');
  await placement.prepare(next, { name: 'main' }, signal);
  t.strictSame(told.splice(0).slice(4), ['ended', 'removed', 'ending']);
  await placement.prepare(next, { name: 'main' }, signal);
  t.notOk(told.includes('ending'), 'told once');
  await t.rejects(placement.prepare(next, { name: 'main' }, AbortSignal.abort()), { name: 'AbortError' });
});
