/** Pods whose names are as long as the API allows, on a real containerd. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { eventually } from '../../support/wait.ts';
import { insideLab, isReady, Lab, shell } from './lab.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const NAMESPACE = 'n'.repeat(63);
const NAME = `${'p'.repeat(60)}.${'q'.repeat(60)}.${'r'.repeat(60)}.${'s'.repeat(70)}`;
const PATH = `/api/v1/namespaces/${NAMESPACE}/pods/${NAME}`;

await insideLab(import.meta.filename, async (address) => {
  const lab = await Lab.start(address);

  test('a pod with the longest name runs, logs, restarts and is removed completely', async (t) => {
    t.equal(NAME.length, 253);
    const container = 'c'.repeat(63);
    lab.create(
      NAME,
      {
        terminationGracePeriodSeconds: 1,
        containers: [shell(container, 'echo said; sleep 2; exit 1'), shell('other', 'echo other; exec sleep 1000')],
      },
      { namespace: NAMESPACE, uid: '8d4f7d2e-0000-4000-8000-000000000001' },
    );
    const seen = (): Pod | undefined => lab.api.objects.get(PATH);
    await eventually('the pod to be ready', () => isReady(seen() ?? {}));
    await eventually('a restart', () =>
      seen()?.status?.containerStatuses?.some(({ restartCount }) => restartCount > 0),
    );
    const logs = (await readdir(path.join(address.directory, 'logs'))).filter((name) => name.startsWith(NAMESPACE));
    t.equal(logs.length, 1);
    t.match(await readFile(path.join(address.directory, 'logs', logs[0]!, 'other', '0.log'), 'utf8'), / F other\n$/);
    const { metadata, ...rest } = seen() ?? {};
    const deletionTimestamp = new Date(Date.now() + 1000).toISOString();
    lab.api.put('pods', { ...rest, metadata: { ...metadata, deletionTimestamp, deletionGracePeriodSeconds: 1 } });
    await eventually('the pod to be gone', () => seen() === undefined);
    await eventually('its logs to be gone', async () => {
      const left = await readdir(path.join(address.directory, 'logs'));
      return !left.some((name) => name.startsWith(NAMESPACE));
    });
  });

  test('stops the lab', () => lab[Symbol.asyncDispose]());
});
