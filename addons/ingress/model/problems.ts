/** What is wrong with Ingresses, each thing once. */
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import type { ClusterView } from './cluster-view.ts';
import type { ObjectName, Problem, ProblemReason } from './model.ts';

/** Of one Ingress, so many are told. */
const MAX_PER_INGRESS = 20;

export class Problems {
  readonly #problems = new Map<string, Problem>();
  readonly #counts = new Map<string, number>();

  add({ namespace, name }: ObjectName, reason: ProblemReason, message: string): void {
    const ingress = `${namespace}/${name}`;
    const key = `${ingress}\n${reason}\n${message}`;
    if (this.#problems.has(key)) return;
    const count = this.#counts.get(ingress) ?? 0;
    if (count >= MAX_PER_INGRESS) return;
    this.#counts.set(ingress, count + 1);
    this.#problems.set(key, { ingress: { namespace, name }, reason, message });
  }

  /** The Secret; undefined, and a problem, when it is not there. One that has not been read yet is no problem. */
  secret(view: ClusterView, ingress: ObjectName, name: string): Secret | undefined {
    const secret = view.secret(ingress.namespace, name);
    if (!secret) this.add(ingress, 'SecretNotFound', `Secret ${ingress.namespace}/${name} does not exist`);
    return secret === 'unknown' ? undefined : secret;
  }

  all(): readonly Problem[] {
    return [...this.#problems.values()];
  }
}
