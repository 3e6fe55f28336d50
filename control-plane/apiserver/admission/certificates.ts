/** Who may approve and sign certificate requests, and what they may ask for: three of upstream's plugins. */
import { CLIENT_SIGNER } from '../../../api/domain/signer-names.ts';
import {
  CertificateRequestError,
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import { PRIVILEGED_GROUP, type User } from '../http/user.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';

const GROUP = 'certificates.k8s.io';

const isRequestFor = ({ kind, subresource }: AdmissionRequest, wanted: string): boolean =>
  kind.kind === 'CertificateSigningRequest' && kind.group === GROUP && subresource === wanted;

/** Rights are given for a signer, or for all of its domain: `example.com/*`. */
async function mayUseSigner(authorizer: Authorizer, user: User, verb: string, signerName: string): Promise<boolean> {
  const about = async (name: string): Promise<boolean> => {
    const { allowed } = await authorizer.authorize(user, {
      ...{ isResource: true, path: '', verb, name, namespace: '' },
      ...{ group: GROUP, version: '*', resource: 'signers', subresource: '' },
    });
    return allowed;
  };
  const domain = signerName.split('/')[0] ?? '';
  return (await about(signerName)) || about(`${domain}/*`);
}

export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  const check = async (request: AdmissionRequest): Promise<void> => {
    const { signerName } = (request.old as CertificateSigningRequest).spec;
    if (await mayUseSigner(authorizer, request.user, 'approve', signerName)) return;
    throw forbidden(
      request.kind,
      request.name,
      `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`,
    );
  };
  return {
    name: 'CertificateApproval',
    validate(request) {
      if (request.operation === 'UPDATE' && isRequestFor(request, 'approval')) return check(request);
    },
  };
}

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  const check = async (request: AdmissionRequest): Promise<void> => {
    const [old, now] = [request.old as CertificateSigningRequest, request.object as CertificateSigningRequest];
    const unchanged =
      old.status?.certificate === now.status?.certificate &&
      semanticallyEqual(old.status?.conditions, now.status?.conditions);
    if (unchanged || (await mayUseSigner(authorizer, request.user, 'sign', old.spec.signerName))) return;
    throw forbidden(
      request.kind,
      request.name,
      `user not permitted to sign requests with signerName ${JSON.stringify(old.spec.signerName)}`,
    );
  };
  return {
    name: 'CertificateSigning',
    validate(request) {
      if (request.operation === 'UPDATE' && isRequestFor(request, 'status')) return check(request);
    },
  };
}

/** The signer of ordinary client certificates makes no cluster administrators. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(request) {
    if (request.operation !== 'CREATE' || !isRequestFor(request, '')) return;
    const { spec } = request.object as CertificateSigningRequest;
    if (spec.signerName !== CLIENT_SIGNER) return;
    let content: CertificateRequest;
    try {
      content = parseCertificateRequest(spec.request);
    } catch (error) {
      if (!(error instanceof CertificateRequestError)) throw error;
      throw forbidden(request.kind, request.name, `failed to parse CSR: ${error.message}`);
    }
    if (!content.organizations.includes(PRIVILEGED_GROUP)) return;
    throw forbidden(
      request.kind,
      request.name,
      `use of ${CLIENT_SIGNER} signer with ${PRIVILEGED_GROUP} group is not allowed`,
    );
  },
};
