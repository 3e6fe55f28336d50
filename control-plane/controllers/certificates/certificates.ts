/** The CertificateSigningRequest controllers: approve what needs no human, sign what is approved, forget what is done. */
import { isDeepStrictEqual } from 'node:util';
import {
  CertificateRequestError,
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { createQueue, type ControllerContext } from '../context.ts';
import { SIGNERS, expiryOf, planApproval, signerObjection, type Approval } from './signers.ts';
import { certificateSigningRequests as resource, subjectAccessReviews } from '../../../client/resources.gen.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from '../../../api/types/certificates/v1.gen.ts';

/** Makes the certificate (PEM) of a request with the cluster's CA. Throws when it must not be signed. */
export type SignRequest = (
  request: CertificateRequest,
  options: { readonly usages: readonly string[]; readonly durationSeconds?: number },
) => Promise<string>;

/** Follows CertificateSigningRequests until the signal is aborted. The informers run elsewhere. */
export async function runCertificateController(context: ControllerContext, sign: SignRequest): Promise<void> {
  const { client, informers, logger, signal } = context;
  const queue = createQueue(context, 'certificates', 1);
  informers.certificateSigningRequests.addHandlers({
    onAdd: (_, name) => queue.add(name),
    onUpdate: (_old, _new, name) => queue.add(name),
  });
  // A node may ask for its serving certificate before its addresses are known here, and nothing else would make anybody look again.
  const lookAgain = (): void => {
    for (const { metadata } of informers.certificateSigningRequests.list()) queue.add(metadata?.name ?? '');
  };
  informers.nodes.addHandlers({
    onAdd: lookAgain,
    onUpdate: (old, node) => {
      if (!isDeepStrictEqual(old.addresses, node.addresses)) lookAgain();
    },
  });

  async function sync(name: string): Promise<void> {
    const request = informers.certificateSigningRequests.getByKey(name);
    if (!request) return;
    const leftMs = expiryOf(request) - Date.now();
    if (leftMs <= 0)
      return await ignoringNotFound(client.delete(resource, '', name, { uid: request.metadata?.uid, signal }));
    queue.addAfter(name, leftMs);
    if (!SIGNERS.has(request.spec.signerName)) return;
    const types = new Set(request.status?.conditions?.map(({ type }) => type));
    if (types.has('Denied') || types.has('Failed') || request.status?.certificate) return;
    let content: CertificateRequest;
    try {
      content = parseCertificateRequest(request.spec.request);
    } catch (error) {
      if (!(error instanceof CertificateRequestError)) throw error;
      if (types.has('Approved')) await fail(request, error.message);
      return;
    }
    if (types.has('Approved')) await issue(request, content);
    else await approve(request, content);
  }

  async function approve(request: CertificateSigningRequest, content: CertificateRequest): Promise<void> {
    const approval = planApproval(request, content, (node) => informers.nodes.get('', node)?.addresses);
    if (approval.type === 'none' || !(await isAllowed(request, approval))) return;
    logger.info({ request: request.metadata?.name, for: content.commonName }, 'approving certificate signing request');
    const approved = withConditionOf(request, 'Approved', 'AutoApproved', approval.message);
    await ignoringNotFound(client.updateSubresource(resource, 'approval', approved, { signal }));
  }

  async function isAllowed({ spec }: CertificateSigningRequest, approval: Approval): Promise<boolean> {
    if (approval.type !== 'if allowed') return true;
    const { username: user, groups, uid, extra } = spec;
    const resourceAttributes = {
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'certificatesigningrequests',
      verb: 'create',
      subresource: approval.subresource,
    };
    const review = { spec: { user, groups, uid, extra, resourceAttributes } };
    const { status } = await client.create(subjectAccessReviews, review, { signal });
    return status?.allowed ?? false;
  }

  async function issue(request: CertificateSigningRequest, content: CertificateRequest): Promise<void> {
    const { spec } = request;
    const objection = signerObjection(spec, content);
    if (objection !== undefined) return await fail(request, objection);
    let certificate: string;
    try {
      certificate = await sign(content, { usages: spec.usages ?? [], durationSeconds: spec.expirationSeconds });
    } catch (error) {
      return await fail(request, (error as Error).message);
    }
    const status = { ...request.status, certificate: Buffer.from(certificate).toString('base64') };
    await ignoringNotFound(client.updateStatus(resource, { ...request, status }, { signal }));
    logger.info({ request: request.metadata?.name, for: content.commonName }, 'signed certificate signing request');
  }

  async function fail(request: CertificateSigningRequest, why: string): Promise<void> {
    const failed = withConditionOf(request, 'Failed', 'SignerValidationFailure', why);
    await ignoringNotFound(client.updateStatus(resource, failed, { signal }));
  }

  await Promise.all([informers.certificateSigningRequests.hasSynced(), informers.nodes.hasSynced()]);
  await queue.run(sync, signal);
}

function withConditionOf(
  request: CertificateSigningRequest,
  type: string,
  reason: string,
  message: string,
): CertificateSigningRequest {
  const time = timeOf(Date.now());
  const condition: CertificateSigningRequestCondition = {
    type,
    status: 'True',
    reason,
    message,
    lastUpdateTime: time,
    lastTransitionTime: time,
  };
  return { ...request, status: { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] } };
}

async function ignoringNotFound(action: Promise<unknown>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
