/** The environment that all expressions of Kubernetes have: upstream's `apiserver/pkg/cel/environment/base.go`. */
import { Environment, overload, type Overload } from '../environment.ts';
import { formatLibrary } from './format.ts';
import { kubernetesTypes } from './kubernetes-types.ts';
import { listLibrary } from './lists.ts';
import { networkLibrary } from './network.ts';
import { optionalLibrary } from './optionals.ts';
import { quantityLibrary } from './quantity.ts';
import { regexLibrary } from './regex.ts';
import { semverLibrary } from './semver.ts';
import { standardLibrary } from './standard.ts';
import { stringLibrary } from './strings.ts';
import { timeLibrary } from './time.ts';
import { urlLibrary } from './url.ts';

/** For mutations by JSON patch only: https://kubernetes.io/docs/reference/using-api/cel/ has it under JSONPatch. */
export const jsonPatchLibrary = (): Overload[] => [
  overload('jsonpatch.escapeKey(string): string', ([key]) =>
    (key as string).replaceAll('~', '~0').replaceAll('/', '~1'),
  ),
];

let base: Environment | undefined;

/** Made at the first use: most servers have no expression. */
export function baseEnvironment(): Environment {
  base ??= Environment.empty.extend({
    functions: [
      ...standardLibrary(),
      ...timeLibrary(),
      ...optionalLibrary(),
      ...stringLibrary(),
      ...listLibrary(),
      ...regexLibrary(),
      ...urlLibrary(),
      ...networkLibrary(),
      ...quantityLibrary(),
      ...semverLibrary(),
      ...formatLibrary(),
    ],
    types: kubernetesTypes,
  });
  return base;
}
