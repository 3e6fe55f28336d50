import t from 'tap';
import { validatePodAnnotations } from '../../../api/kinds/core/pod-annotation-validation.ts';
import { validatePodTemplate } from '../../../api/kinds/core/pod-validation.ts';

const SECCOMP = 'seccomp.security.alpha.kubernetes.io/pod';
const OF_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/c';
const COST = 'controller.kubernetes.io/pod-deletion-cost';
const NO_PROFILE = 'must be a valid seccomp profile';
const NO_INT = 'must be a 32bit integer';

for (const [key, value, problem] of [
  [SECCOMP, 'runtime/default', undefined],
  [SECCOMP, 'docker/default', undefined],
  [SECCOMP, 'localhost/profiles/a.json', undefined],
  [SECCOMP, '', NO_PROFILE],
  [SECCOMP, 'runtime', NO_PROFILE],
  [SECCOMP, 'localhost//etc/a', 'must be a relative path'],
  [SECCOMP, 'localhost/a/../../b', "must not contain '..'"],
  [OF_CONTAINER, 'unconfined', undefined],
  [OF_CONTAINER, 'Unconfined', NO_PROFILE],
  [COST, '0', undefined],
  [COST, '-5', undefined],
  [COST, '2147483647', undefined],
  [COST, '2147483648', NO_INT],
  [COST, '-2147483649', NO_INT],
  [COST, '01', NO_INT],
  [COST, '+1', NO_INT],
  [COST, '1.5', NO_INT],
  [COST, '', NO_INT],
  ['example.com/any', '', undefined],
] as const)
  t.test(`annotation ${key}: ${JSON.stringify(value)}`, async (t) => {
    const annotations = { [key]: value };
    const errors = validatePodAnnotations(annotations, 'metadata.annotations');
    t.equal(errors.length, problem ? 1 : 0);
    if (problem) t.ok(errors[0]?.message.endsWith(problem), problem);
    t.strictSame(
      validatePodAnnotations(annotations, 'metadata.annotations', annotations),
      [],
      'what is stored may stay',
    );
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    const ofTemplate = validatePodTemplate({ metadata: { annotations }, spec }, 'spec.template');
    t.equal(
      ofTemplate.some(({ field }) => field?.startsWith('spec.template.annotations')),
      problem !== undefined,
    );
  });
