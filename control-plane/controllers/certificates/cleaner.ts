/** The CertificateSigningRequest cleaner: deletes requests that have served their purpose. Upstream: pkg/controller/certificates/cleaner. */
import { msUntil } from '../../../client/clock.ts';
import { certificateSigningRequests as resource } from '../../../client/resources.gen.ts';
import { certificateSigningRequestCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { expiryOf } from './requests.ts';

export const certificateCleaner: ControllerDescriptor = {
  name: 'certificatesigningrequest-cleaner-controller',
  workers: 1,
  create,
};

function create({ client, informer, queue }: ControllerContext): Controller {
  const requests = informer(certificateSigningRequestCache);

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const request = requests.getByKey(name);
    if (!request) return undefined;
    const leftMs = msUntil(expiryOf(request));
    if (leftMs > 0) return leftMs;
    await unlessGone(client.delete(resource, '', name, { uid: request.metadata?.uid, signal }));
    return undefined;
  }

  return { watches: () => [watch(requests, ownKeys(queue))], reconcile };
}
