/** The pods that are bound to this node, as the API has them: a cache kept in sync by list and watch. */
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer, type InformerHandlers } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { withoutManagedFields } from '../../../client/managed-fields.ts';
import { pods } from '../../../client/resources.gen.ts';
import { isMirrorOf } from './mirror-pods.ts';
import type { SourcedPod } from './pod-source.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface ApiPodsOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly logger: Logger;
}

export class ApiPods {
  readonly #informer: Informer<Pod>;

  constructor({ client, nodeName, logger }: ApiPodsOptions) {
    this.#informer = new Informer({
      client,
      resource: pods,
      fieldSelector: `spec.nodeName=${nodeName}`,
      logger,
      select: withoutManagedFields,
      indexes: { uid: ({ metadata }) => [metadata?.uid ?? ''] },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#informer.run(signal);
  }

  hasSynced(): Promise<void> {
    return this.#informer.hasSynced();
  }

  addHandlers(handlers: InformerHandlers<Pod>): void {
    this.#informer.addHandlers(handlers);
  }

  byUid(uid: string): Pod | undefined {
    return this.#informer.byIndex('uid', uid)[0];
  }

  mirrorOf(staticPod: Pod): Pod | undefined {
    const { namespace = '', name = '' } = staticPod.metadata ?? {};
    const mirror = this.#informer.get(namespace, name);
    return mirror && isMirrorOf(mirror, staticPod) ? mirror : undefined;
  }

  /** The object of a pod in the API: its mirror when it is static. */
  objectOf({ pod, source }: SourcedPod): Pod | undefined {
    return source === 'file' ? this.mirrorOf(pod) : pod;
  }
}
