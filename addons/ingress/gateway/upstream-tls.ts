/**
 * How backends are asked by TLS: https://gateway-api.sigs.k8s.io/api-types/backendtlspolicy/. Pure. A policy is about Services of its
 * namespace; one that cannot be done leaves them without backends, and never without TLS.
 */
import { rootCertificates } from 'node:tls';
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import type { UpstreamTls } from '../model/routing.ts';
import { readCa } from './authorities.ts';
import { fault, type Fault } from './conditions.ts';
import { ageKey } from './listeners.ts';
import type { BackendTLSPolicy } from './objects.ts';
import type { GatewayView } from './view.ts';

export interface ServedPolicy {
  readonly object: BackendTLSPolicy;
  readonly key: string;
  /** Undefined when it cannot be done. */
  readonly tls: Omit<UpstreamTls, 'certificate'> | undefined;
  readonly acceptedFault: Fault | undefined;
  readonly resolvedFault: Fault | undefined;
  /** Targets that an older policy has, of this one. */
  readonly isConflicted: boolean;
}

/** The CAs that public certificates are of: Mozilla's, as Node.js carries them. */
const SYSTEM_CAS = rootCertificates.map((each) => `${each}\n`).join('');
const NO_VALID_CA = 'NoValidCACertificate';

export class UpstreamPolicies {
  readonly #policies = new Map<string, ServedPolicy>();
  /** By `namespace/service`, and `namespace/service/port` for one port. */
  readonly #byTarget = new Map<string, ServedPolicy>();

  constructor(view: GatewayView) {
    const sorted = [...view.backendTlsPolicies].sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
    for (const object of sorted) {
      if (object.metadata?.deletionTimestamp !== undefined) continue;
      const { namespace = '', name = '' } = object.metadata ?? {};
      const targets = targetsOf(object);
      const free = targets.filter((target) => !this.#byTarget.has(target));
      const key = `${namespace}/${name}`;
      const policy = {
        object,
        key,
        ...readPolicy(view, object),
        isConflicted: targets.length > 0 && free.length === 0,
      };
      this.#policies.set(key, policy);
      for (const target of free) this.#byTarget.set(target, policy);
    }
  }

  /** What is said about a port of a Service: the policy for its name counts before the one for all. */
  of(namespace: string, service: string, port: string): ServedPolicy | undefined {
    const all = `${namespace}/${service}`;
    return this.#byTarget.get(`${all}/${port}`) ?? this.#byTarget.get(all);
  }

  all(): Iterable<ServedPolicy> {
    return this.#policies.values();
  }
}

/** The Services that a policy is about, as `namespace/name`. */
export const servicesOf = ({ object }: ServedPolicy): readonly string[] => [
  ...new Set(targetsOf(object).map((target) => target.split('/').slice(0, 2).join('/'))),
];

function targetsOf({ metadata, spec }: BackendTLSPolicy): readonly string[] {
  const namespace = metadata?.namespace ?? '';
  return (spec?.targetRefs ?? [])
    .filter(({ group = '', kind = 'Service' }) => group === '' && kind === 'Service')
    .map(({ name, sectionName = '' }) => [namespace, name, ...(sectionName === '' ? [] : [sectionName])].join('/'));
}

type Read = Pick<ServedPolicy, 'tls' | 'acceptedFault' | 'resolvedFault'>;

function readPolicy(view: GatewayView, { metadata, spec }: BackendTLSPolicy): Read {
  const { hostname = '', subjectAltNames = [] } = spec?.validation ?? {};
  const refused = (message: string): Read => ({
    ...{ tls: undefined, acceptedFault: fault('Invalid', message), resolvedFault: undefined },
  });
  if (validateSubdomainName(hostname).length > 0) return refused(`${JSON.stringify(hostname)} is no host name`);
  // The proxy verifies the name that it asks for, and no other.
  if (
    subjectAltNames.length > 0 &&
    !subjectAltNames.some((name) => name.type === 'Hostname' && name.hostname === hostname)
  )
    return refused('subjectAltNames without the hostname itself are not supported');
  const { pem, wrong } = readCas(view, metadata?.namespace ?? '', spec?.validation);
  if (pem === '')
    return { tls: undefined, acceptedFault: fault(NO_VALID_CA, wrong?.message ?? ''), resolvedFault: wrong };
  return { tls: { ca: pem, serverName: hostname }, acceptedFault: undefined, resolvedFault: wrong };
}

type Validation = NonNullable<BackendTLSPolicy['spec']>['validation'];

function readCas(
  view: GatewayView,
  namespace: string,
  { caCertificateRefs = [], wellKnownCACertificates }: NonNullable<Validation> = {},
): { readonly pem: string; readonly wrong: Fault | undefined } {
  if (caCertificateRefs.length === 0) {
    if (wellKnownCACertificates === 'System') return { pem: SYSTEM_CAS, wrong: undefined };
    const message = `wellKnownCACertificates ${JSON.stringify(wellKnownCACertificates)} is not supported`;
    return { pem: '', wrong: fault('InvalidCACertificateRef', message) };
  }
  let wrong: Fault | undefined;
  let pem = '';
  for (const reference of caCertificateRefs) {
    const read = readCa(view, namespace, reference, 'InvalidKind');
    if (typeof read === 'string') pem += read;
    else wrong ??= read;
  }
  return { pem, wrong };
}
