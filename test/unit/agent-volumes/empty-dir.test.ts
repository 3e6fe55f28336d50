import t from 'tap';
import { emptyDir } from '../../../agent/volumes/local/empty-dir.ts';
import type { Container, PodSpec } from '../../../api/types/core/v1.gen.ts';

const MI = 1024 * 1024;
const of = (name: string, memory?: string): Container => ({
  name,
  image: 'i',
  ...(memory !== undefined && { resources: { limits: { memory } } }),
});

t.test("a memory-backed emptyDir is limited to the pod's memory limit, or its own sizeLimit if less", async (t) => {
  const sizeOf = async (spec: Partial<PodSpec>, sizeLimit?: string): Promise<number | undefined> => {
    const volume = { name: 'v', emptyDir: { medium: 'Memory', ...(sizeLimit !== undefined && { sizeLimit }) } };
    const pod = { spec: { containers: [of('c')], ...spec } };
    const { attributes } = await emptyDir({ usageOf: () => Promise.resolve(undefined) }).resolve(
      volume,
      pod,
      new AbortController().signal,
    );
    return attributes['sizeBytes'] === undefined ? undefined : Number(attributes['sizeBytes']);
  };
  t.equal(await sizeOf({}), undefined, "no limits: the kernel's default size");
  t.equal(await sizeOf({}, '3Mi'), 3 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi'), of('b', '6Mi')] }), 10 * MI, 'containers together');
  t.equal(
    await sizeOf({ containers: [of('a', '4Mi'), of('b')] }),
    undefined,
    'one container without a limit: the pod has none',
  );
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '2Mi'), 2 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '8Mi'), 4 * MI);
  t.equal(await sizeOf({ containers: [of('a', '4Mi')] }, '0'), 4 * MI, 'a zero limit is no limit');
  t.equal(await sizeOf({ resources: { limits: { memory: '5Mi' } } }), 5 * MI, 'pod-level limit');
  t.equal(
    await sizeOf({ containers: [of('a', '4Mi')], initContainers: [of('i', '9Mi')] }),
    9 * MI,
    'maximum over init and main containers',
  );
});
