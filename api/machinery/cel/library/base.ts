/** The environment that all expressions of Kubernetes have: upstream's `apiserver/pkg/cel/environment/base.go`. */
import { Environment } from '../environment.ts';
import { optionalLibrary } from './optionals.ts';
import { standardLibrary } from './standard.ts';
import { timeLibrary } from './time.ts';

let base: Environment | undefined;

/** Made at the first use: most servers have no expression. */
export function baseEnvironment(): Environment {
  base ??= Environment.empty.extend({
    functions: [...standardLibrary(), ...timeLibrary(), ...optionalLibrary()],
  });
  return base;
}
