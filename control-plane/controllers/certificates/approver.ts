/** The CertificateSigningRequest approving controller: approves what needs no human. Upstream: pkg/controller/certificates/approver. */
import { isDeepStrictEqual } from 'node:util';
import { certificateSigningRequests as resource, subjectAccessReviews } from '../../../client/resources.gen.ts';
import { certificateSigningRequestCache, nodeCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { contentOf, isUndecided, withRequestCondition } from './requests.ts';
import { SIGNERS, planApproval, type Approval } from './signers.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';

export const certificateApprover: ControllerDescriptor = {
  name: 'certificatesigningrequest-approving-controller',
  workers: 1,
  create,
};

function create({ client, informer, logger, queue }: ControllerContext): Controller {
  const requests = informer(certificateSigningRequestCache);
  const nodes = informer(nodeCache);

  async function reconcile(name: string, signal: AbortSignal): Promise<undefined> {
    const request = requests.getByKey(name);
    if (!request || !SIGNERS.has(request.spec.signerName) || !isUndecided(request)) return;
    const content = contentOf(request);
    // Nobody is asked to approve what cannot be parsed; the signer says so once somebody has.
    if (content instanceof Error) return;
    const approval = planApproval(request, content, (node) => nodes.get('', node)?.addresses);
    if (approval.type === 'none' || !(await isAllowed(request, approval, signal))) return;
    logger.info({ request: name, for: content.commonName }, 'approving certificate signing request');
    const approved = withRequestCondition(request, 'Approved', 'AutoApproved', approval.message);
    await unlessNotFound(client.updateSubresource(resource, 'approval', approved, { signal }));
  }

  async function isAllowed(
    { spec }: CertificateSigningRequest,
    approval: Approval,
    signal: AbortSignal,
  ): Promise<boolean> {
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

  return {
    watches: () => {
      // A node may ask for its serving certificate before its addresses are known, and no event of the request would follow.
      const wakeAll = (): void => {
        for (const name of requests.keys()) queue.add(name);
      };
      return [
        watch(requests, ownKeys(queue)),
        watch(nodes, {
          onAdd: wakeAll,
          onUpdate: (old, node) => {
            if (!isDeepStrictEqual(old.addresses, node.addresses)) wakeAll();
          },
        }),
      ];
    },
    reconcile,
  };
}
