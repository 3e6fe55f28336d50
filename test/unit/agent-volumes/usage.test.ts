import path from 'node:path';
import t from 'tap';
import { HostPodVolumes } from '../../../agent/volumes/host-pod-volumes.ts';
import { VolumeRunner } from '../../../agent/volumes/framework/volume-runner.ts';
import type { VolumeType, VolumeUsage } from '../../../agent/volumes/framework/volume-type.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { silent } from '../../server/apiserver/server.ts';

const { signal } = new AbortController();

const typeOf = (source: 'emptyDir' | 'nfs', stats: () => Promise<VolumeUsage>): VolumeType => ({
  ...{ source, directory: `kubernetes.io~${source}`, agentWritten: false, stats },
  hostPath: (_, { path: at }) => at,
  resolve: () => ({ attributes: {} }),
  publish: async () => undefined,
});

t.test('a volume that cannot be measured is left out, and no other one', async (t) => {
  const root = t.testdir();
  const warnings: object[] = [];
  const logger = { ...silent, warn: (fields: object) => void warnings.push(fields) };
  const [pods, staging] = [path.join(root, 'pods'), path.join(root, 'staging')];
  const types = [
    typeOf('nfs', () => Promise.reject(new Error('the server does not answer'))),
    typeOf('emptyDir', () => Promise.resolve({ bytes: 7, inodes: 2 })),
  ];
  const volumes = new HostPodVolumes({
    ...{ podsDirectory: pods, driversPodsDirectory: path.join(root, 'drivers'), logger },
    runner: new VolumeRunner({ podsDirectory: pods, stagingDirectory: staging, types, logger }),
    objects: { follow: () => undefined, unfollow: () => undefined } as never,
    tokens: { nextDueAt: () => undefined, forget: () => undefined } as never,
    helper: () => Promise.resolve([]),
    onStale: () => undefined,
  });
  t.teardown(() => volumes[Symbol.dispose]());
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default', uid: 'uid-p' },
    spec: {
      containers: [],
      volumes: [
        { name: 'far', nfs: { server: 'files', path: '/' } },
        { name: 'near', emptyDir: {} },
      ],
    },
  };
  await volumes.setUp(pod, signal);
  t.strictSame([...(await volumes.usage(pod, ['far', 'near'], signal))], [['near', { bytes: 7, inodes: 2 }]]);
  t.match(warnings, [{ podUID: 'uid-p', volume: 'far' }]);
});
