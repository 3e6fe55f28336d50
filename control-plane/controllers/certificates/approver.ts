/** The CertificateSigningRequest approving controller: approves what needs no human. Upstream: pkg/controller/certificates/approver. */
import { isDeepStrictEqual } from 'node:util';
import { API_SERVER_NAME } from '../../../api/domain/api-server-names.ts';
import { CONTROL_PLANE_LABEL } from '../../../api/domain/control-plane-node.ts';
import { own } from '../../../api/machinery/own.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import {
  certificateSigningRequests as resource,
  endpoints,
  services,
  subjectAccessReviews,
} from '../../../client/resources.gen.ts';
import { certificateSigningRequestCache, nodeCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { AddressHolders } from './address-holders.ts';
import { contentOf, isUndecided, withRequestCondition } from './requests.ts';
import { SIGNERS, nameOfServers, planApproval, type Approval, type ServersAddresses } from './signers.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';
import type { Endpoints, Service } from '../../../api/types/core/v1.gen.ts';

export const certificateApprover: ControllerDescriptor = {
  name: 'certificatesigningrequest-approving-controller',
  workers: 1,
  create,
};

function create({ client, informer, logger, queue }: ControllerContext): Controller {
  const requests = informer(certificateSigningRequestCache);
  const nodes = informer(nodeCache);
  const holders = new AddressHolders();

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
    if (approval.type === 'approve') {
      const isServer = own(nodes.get('', approval.node)?.labels, CONTROL_PLANE_LABEL) !== undefined;
      const server = nameOfServers(approval.names, isServer, await serversAddresses(signal));
      if (server !== undefined) {
        logger.warn(
          { node: approval.node, address: server },
          'not approving the serving certificate of a node: an api-server has the address, and the node is not labelled as one of the control plane',
        );
        return false;
      }
      const other = holders.another(approval.node, approval.names);
      if (other)
        logger.warn(
          { node: approval.node, other: other.node, address: other.address },
          'not approving the serving certificate of a node: another node has the same address',
        );
      return other === undefined;
    }
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

  async function serversAddresses(signal: AbortSignal): Promise<ServersAddresses> {
    const [namespace, name] = ['default', API_SERVER_NAME];
    const [service, known] = await Promise.all([
      orUndefined(client.get<Service>(services, namespace, name, { signal })),
      orUndefined(client.get<Endpoints>(endpoints, namespace, name, { signal })),
    ]);
    const { clusterIP = '', clusterIPs = [clusterIP] } = service?.spec ?? {};
    const ofHosts = (known?.subsets ?? []).flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip));
    return { ofService: clusterIPs, ofHosts };
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
          onAdd: ({ name, addresses }) => {
            holders.set(name, addresses);
            wakeAll();
          },
          onUpdate: (old, node) => {
            holders.set(node.name, node.addresses);
            const label = ({ labels }: typeof node) => own(labels, CONTROL_PLANE_LABEL);
            if (!isDeepStrictEqual(old.addresses, node.addresses) || label(old) !== label(node)) wakeAll();
          },
          onDelete: ({ name }) => {
            holders.set(name, []);
            wakeAll();
          },
          onSynced: () => holders.synced(),
        }),
      ];
    },
    reconcile,
  };
}

/** The object, if there is one. */
async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
