import { statusSubresource } from '../../machinery/subresources.ts';
import { X509Certificate } from 'node:crypto';
import { defineKind } from '../../machinery/define-kind.ts';
import type { HookContext } from '../../machinery/kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { humanDuration } from '../../machinery/duration.ts';
import {
  type FieldError,
  addErrors,
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { validatePathSegmentName, validateSubdomainName } from '../../machinery/names.ts';
import { timeOf } from '../../machinery/time.ts';
import { CertificateRequestError, parseCertificateRequest } from './certificate-request.ts';
import { CertificateSigningRequest, CertificateSigningRequestSpec } from '../../types/certificates/v1.gen.ts';

const MIN_SECONDS = 600;
const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown';
const CONDITION_STATUSES = ['True', 'False', 'Unknown'];

const isDecision = (type: string): boolean => type === 'Approved' || type === 'Denied';

function conditionOf({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return [decision, ...(has('Failed') ? ['Failed'] : []), ...(status?.certificate ? ['Issued'] : [])].join(',');
}

function requestObjection(request: string): string | undefined {
  try {
    parseCertificateRequest(request);
    return undefined;
  } catch (error) {
    if (error instanceof CertificateRequestError) return error.message;
    throw error;
  }
}

function validateSpec(spec: CertificateSigningRequestSpec): FieldError[] {
  const errors: FieldError[] = [];
  const { signerName, request, usages = [], expirationSeconds } = spec;
  const objection = requestObjection(request ?? '');
  if (objection !== undefined) errors.push(invalid('spec.request', request ?? '', objection));
  const seen = new Set<string>();
  for (const [index, usage] of usages.entries()) {
    if (seen.has(usage)) errors.push(duplicate(`spec.usages[${index}]`, usage));
    seen.add(usage);
  }
  const [domain = '', path = ''] = signerName.split('/', 2);
  if (signerName === LEGACY_SIGNER) {
    errors.push(invalid('spec.signerName', signerName, 'the legacy signerName is not allowed via this API version'));
  } else if (signerName && (!path || !domain.includes('.') || validateSubdomainName(domain).length)) {
    errors.push(
      invalid(
        'spec.signerName',
        signerName,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'",
      ),
    );
  }
  if (expirationSeconds !== undefined && expirationSeconds < MIN_SECONDS) {
    errors.push(
      invalid(
        'spec.expirationSeconds',
        expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      ),
    );
  }
  return errors;
}

/** For `status` and `approval`: conditions are valid, and not both Approved and Denied. */
function validateConditions({ status }: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = [];
  const types = new Set<string>();
  for (const [index, { type, status: value }] of (status?.conditions ?? []).entries()) {
    const at = `status.conditions[${index}]`;
    if (!type) errors.push(required(`${at}.type`));
    if (!value) errors.push(required(`${at}.status`));
    else if (!CONDITION_STATUSES.includes(value)) errors.push(notSupported(`${at}.status`, value, CONDITION_STATUSES));
    if ((isDecision(type) || type === 'Failed') && value && value !== 'True') {
      errors.push(notSupported(`${at}.status`, value, ['True']));
    }
    if (types.has(type)) errors.push(duplicate(`${at}.type`, type));
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && types.has(opposite)) {
      errors.push(invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    types.add(type);
  }
  return errors;
}

/** Conditions, with the times that are missing filled in. */
function stamped({ status }: CertificateSigningRequest, old: CertificateSigningRequest, now: string) {
  const before = new Map(old.status?.conditions?.map((condition) => [condition.type, condition]));
  return status?.conditions?.map((condition) => {
    const earlier = before.get(condition.type);
    const since = earlier?.status === condition.status ? earlier.lastTransitionTime : undefined;
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? since ?? now,
    };
  });
}

/** For `status` and `approval`: a decision is not taken back. */
function validateConditionsUpdate({ status }: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  const types = new Set(status?.conditions?.map(({ type }) => type));
  const gone = (old.status?.conditions ?? []).filter(
    ({ type }) => (isDecision(type) || type === 'Failed') && !types.has(type),
  );
  return gone.map(({ type }) =>
    forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`),
  );
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \1-----/gs;

/**
 * One or more certificates in PEM, and nothing else.
 * @param base64 the PEM, in base64
 */
function validateCertificate(base64: string): FieldError[] {
  const refuse = (why: string) => [invalid('status.certificate', '<certificate data>', why)];
  const blocks = [...Buffer.from(base64, 'base64').toString('latin1').matchAll(PEM_BLOCK)];
  if (blocks.length === 0) return refuse('must contain one or more CERTIFICATE PEM blocks');
  for (const [block, type, content = ''] of blocks) {
    if (type !== 'CERTIFICATE') {
      return refuse(`only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`);
    }
    if (content.includes(':')) return refuse('no PEM block headers are permitted');
    try {
      new X509Certificate(block);
    } catch {
      return refuse('x509: malformed certificate');
    }
  }
  return [];
}

/** Only `approval` changes decisions. */
function prepareStatusUpdate(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest,
  { now }: HookContext,
): void {
  const kept = (old.status?.conditions ?? []).filter(({ type }) => isDecision(type));
  const others = (request.status?.conditions ?? []).filter(({ type }) => !isDecision(type));
  const conditions = [...kept, ...others];
  request.status = { ...request.status, conditions: conditions.length ? conditions : undefined };
  request.status.conditions = stamped(request, old, timeOf(now));
}

function validateStatusUpdate(request: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  const [certificate, before] = [request.status?.certificate, old.status?.certificate];
  const errors = [...validateConditions(request), ...validateConditionsUpdate(request, old)];
  if (certificate && certificate !== before) addErrors(errors, validateCertificate(certificate));
  if (before && certificate !== before) {
    errors.push(forbidden('status.certificate', 'updates may not modify existing certificate content'));
  }
  return errors;
}

const mutable = (extra: Readonly<Record<string, readonly string[]>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));

export const certificateSigningRequests = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  shortNames: ['csr'],
  namespaced: false,
  schema: CertificateSigningRequest,
  subresources: [
    {
      name: 'approval',
      verbs: ['get', 'patch', 'update'],
      update: {
        takes: ['status'],
        resets: ['spec', 'status.certificate'],
        merge: (wanted, old) => ({ ...old, metadata: wanted.metadata, status: wanted.status }),
        prepare: (request, old, { now }) => {
          request.status = { ...old.status, conditions: stamped(request, old, timeOf(now)) };
        },
        validate: (request, old) => [...validateConditions(request), ...validateConditionsUpdate(request, old)],
      },
    },
    statusSubresource({
      resets: ['spec', 'status.conditions'],
      prepare: prepareStatusUpdate,
      validate: validateStatusUpdate,
    }),
  ],
  resets: ['spec', 'status'],
  // Kubelets name theirs after a hash in mixed case.
  validateName: validatePathSegmentName,
  columns: [
    nameColumn(),
    ageColumn(),
    text('SignerName', ({ spec }) => spec.signerName),
    text('Requestor', ({ spec }) => spec.username ?? ''),
    text('RequestedDuration', ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    text('Condition', conditionOf),
  ],
  selectableFields: { 'spec.signerName': ({ spec }) => spec.signerName },
  prepareForCreate: (request, { user }) => {
    // The server records the requestor, whatever the request says: approval and signing rely on it.
    const { name, uid, groups, extra } = user;
    request.spec = { ...request.spec, username: name, uid, groups: [...groups], extra: extra && mutable(extra) };
    request.status = {};
  },
  prepareForUpdate: (request, old) => {
    request.spec = old.spec;
    request.status = old.status;
  },
  validate: ({ spec }) => validateSpec(spec),
});
