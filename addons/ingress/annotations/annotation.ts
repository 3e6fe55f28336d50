/** The contract of an annotation. */
import type { Policy } from './policy.ts';

export interface AnnotationContext {
  readonly namespace: string;
}

export interface Annotation {
  /** Without the prefix `nginx.ingress.kubernetes.io/`. */
  readonly name: string;
  /** One line for `docs/ingress.md` and `kedge ingress check`. */
  readonly does: string;
  /** What is not as with ingress-nginx. */
  readonly differs?: string;
  /** A value that is taken. */
  readonly example: string;
  /**
   * It keeps requests away from a path, or decides where they go: when it cannot be done, the paths of the Ingress are answered
   * with 503 instead of being open.
   */
  readonly guards?: boolean;
  /** Throws AnnotationError for a value that cannot be done. */
  readonly read: (value: string, context: AnnotationContext) => Policy;
}
