/** The CertificateSigningRequest signing controller: signs what is approved. Upstream: pkg/controller/certificates/signer. */
import type { CertificateRequest } from '../../../api/kinds/certificates/certificate-request.ts';
import { certificateSigningRequests as resource } from '../../../client/resources.gen.ts';
import { certificateSigningRequestCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { contentOf, isApproved, withRequestCondition } from './requests.ts';
import { SIGNERS, signerObjection } from './signers.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';

/** Returns the certificate (PEM) of a request, signed by the cluster's CA. Throws when it must not be signed. */
export type SignRequest = (
  request: CertificateRequest,
  options: { readonly usages: readonly string[]; readonly durationSeconds?: number },
) => Promise<string>;

export const certificateSigner = (sign: SignRequest): ControllerDescriptor => ({
  name: 'certificatesigningrequest-signing-controller',
  workers: 1,
  create: (context) => create(context, sign),
});

function create({ client, informer, logger, queue }: ControllerContext, sign: SignRequest): Controller {
  const requests = informer(certificateSigningRequestCache);

  async function reconcile(name: string, signal: AbortSignal): Promise<undefined> {
    const request = requests.getByKey(name);
    if (!request || !SIGNERS.has(request.spec.signerName) || !isApproved(request)) return;
    const content = contentOf(request);
    if (content instanceof Error) return await fail(request, content.message, signal);
    const objection = signerObjection(request.spec, content);
    if (objection !== undefined) return await fail(request, objection, signal);
    const { usages = [], expirationSeconds: durationSeconds } = request.spec;
    let certificate: string;
    try {
      certificate = await sign(content, { usages, durationSeconds });
    } catch (error) {
      return await fail(request, (error as Error).message, signal);
    }
    const status = { ...request.status, certificate: Buffer.from(certificate).toString('base64') };
    await unlessNotFound(client.updateStatus(resource, { ...request, status }, { signal }));
    logger.info({ request: name, for: content.commonName }, 'signed certificate signing request');
  }

  async function fail(request: CertificateSigningRequest, why: string, signal: AbortSignal): Promise<undefined> {
    const failed = withRequestCondition(request, 'Failed', 'SignerValidationFailure', why);
    await unlessNotFound(client.updateStatus(resource, failed, { signal }));
  }

  return { watches: () => [watch(requests, ownKeys(queue))], reconcile };
}
