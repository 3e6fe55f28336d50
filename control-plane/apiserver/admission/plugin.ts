import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { User } from '../http/user.ts';

/** What a write is about to do. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly kind: Kind;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The object to be stored; a mutating plugin changes it in place. Undefined for a delete. */
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
  readonly user: User;
  readonly dryRun: boolean;
  /** Adds a `Warning` header to the answer. */
  readonly warn: (message: string) => void;
}

/** A step of admission. Throws a StatusError (mostly 403 Forbidden) to turn the write down. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Changes the object. Runs before every `validate`. */
  readonly mutate?: (request: AdmissionRequest) => void | Promise<void>;
  readonly validate?: (request: AdmissionRequest) => void | Promise<void>;
}
