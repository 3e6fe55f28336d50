/** Returns one object for reads, and for writes what the test says; records the patches. */
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { notFound, type StatusError } from '../../../../api/machinery/status-error.ts';
import type { PatchOptions } from '../../../../client/api-calls.ts';
import type { Resource } from '../../../../client/resource.ts';

export interface Patched {
  readonly name: string;
  readonly patch: unknown;
  readonly options: PatchOptions | undefined;
}

export class ScriptedClient {
  readonly patches: Patched[] = [];
  reads = 0;
  /** The object that reads return; 404 when undefined. */
  stored: KubeObject | undefined;
  /** The errors of the next patches of an object with this name, in order. */
  readonly refusals = new Map<string, StatusError[]>();

  async get<T extends KubeObject>(resource: Resource<T>, _namespace: string, name: string): Promise<T> {
    this.reads++;
    if (!this.stored) throw notFound(resource, name);
    return this.stored as T;
  }

  async patch<T extends KubeObject>(
    _resource: Resource<T>,
    _namespace: string,
    name: string,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<T> {
    this.patches.push({ name, patch, options });
    const refusal = this.refusals.get(name)?.shift();
    if (refusal) throw refusal;
    return (this.stored ?? {}) as T;
  }
}
