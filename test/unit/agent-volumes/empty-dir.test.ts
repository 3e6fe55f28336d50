import t from 'tap';
import { emptyDir } from '../../../agent/volumes/local/empty-dir.ts';
import type { Container, PodSpec } from '../../../api/types/core/v1.gen.ts';

const MI = 1024 * 1024;
const of = (name: string, memory?: string): Container => ({
  name,
  image: 'i',
  ...(memory !== undefined && { resources: { limits: { memory } } }),
});

t.test('an emptyDir in memory holds what the pod may use at most, or its own limit if that is less', async (t) => {
  const sizeOf = async (spec: Partial<PodSpec>, sizeLimit?: string): Promise<number | undefined> => {
    const volume = { name: 'v', emptyDir: { medium: 'Memory', ...(sizeLimit !== undefined && { sizeLimit }) } };
    const pod = { spec: { containers: [of('c')], ...spec } };
    const { attributes } = await emptyDir.resolve(volume, pod, new AbortController().signal);
    return attributes['sizeBytes'] === undefined ? undefined : Number(attributes['sizeBytes']);
  };
  t.equal(await sizeOf({}), undefined, 'without limits it is as large as the kernel makes it');
  t.equal(await sizeOf({}, '3Mi'), 3 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi'), of('b', '6Mi')] }), 10 * MI, 'containers together');
  t.equal(
    await sizeOf({ containers: [of('a', '4Mi'), of('b')] }),
    undefined,
    'one without a limit leaves the pod without',
  );
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '2Mi'), 2 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '8Mi'), 4 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '0'), 4 * MI, 'a limit of nothing is none');
  t.equal(await sizeOf({ resources: { limits: { memory: '5Mi' } } }), 5 * MI, 'a limit of the whole pod');
  t.equal(
    await sizeOf({ containers: [of('a', '4Mi')], initContainers: [of('i', '9Mi')] }),
    9 * MI,
    'the pod at its peak',
  );
});
