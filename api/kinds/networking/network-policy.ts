import { cidrWarnings } from '../../domain/address-warnings.ts';
import { Cidr } from '../../domain/address.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateCIDR, validatePortName, validatePortNumber } from '../../machinery/names.ts';
import { formatSelector, selectorFrom, validateLabelSelector } from '../../machinery/selectors.ts';
import {
  NetworkPolicy,
  type IPBlock,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
} from '../../types/networking/v1.gen.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const POLICY_TYPES = ['Ingress', 'Egress'];

interface Rule {
  readonly direction: 'ingress' | 'egress';
  readonly path: string;
  readonly ports: readonly NetworkPolicyPort[];
  readonly peers: readonly NetworkPolicyPeer[];
  readonly peersPath: string;
}

/** The rules of both directions in one form. */
function* rulesOf({ spec }: NetworkPolicy): Generator<Rule> {
  for (const [index, { ports = [], from = [] }] of (spec?.ingress ?? []).entries()) {
    const path = `spec.ingress[${index}]`;
    yield { direction: 'ingress', path, ports, peers: from, peersPath: `${path}.from` };
  }
  for (const [index, { ports = [], to = [] }] of (spec?.egress ?? []).entries()) {
    const path = `spec.egress[${index}]`;
    yield { direction: 'egress', path, ports, peers: to, peersPath: `${path}.to` };
  }
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (protocol !== undefined && !PROTOCOLS.includes(protocol))
    errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS));
  const refuseEnd = (why: string): void => {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, why));
  };
  if (port === undefined) {
    refuseEnd('may not be specified when `port` is not specified');
  } else if (typeof port === 'string') {
    refuseEnd('may not be specified when `port` is non-numeric');
    for (const problem of validatePortName(port)) errors.push(invalid(`${path}.port`, port, problem));
  } else {
    for (const problem of validatePortNumber(port)) errors.push(invalid(`${path}.port`, port, problem));
    if (endPort !== undefined && endPort < port)
      errors.push(invalid(`${path}.endPort`, port, 'must be greater than or equal to `port`'));
    if (endPort !== undefined) for (const problem of validatePortNumber(endPort)) refuseEnd(problem);
  }
  return errors;
}

/** @param stored CIDRs that the policy has had before: an update may keep what is not valid any more. */
function validateBlock({ cidr, except = [] }: IPBlock, path: string, stored: readonly string[]): FieldError[] {
  if (cidr === '') return [required(`${path}.cidr`)];
  const errors = validateCIDR(cidr, stored).map((problem) => invalid(`${path}.cidr`, cidr, problem));
  const range = Cidr.parse(cidr);
  if (!range) return errors;
  for (const [index, one] of except.entries()) {
    const at = `${path}.except[${index}]`;
    for (const problem of validateCIDR(one, stored)) errors.push(invalid(at, one, problem));
    const part = Cidr.parse(one);
    if (part && !(part.length > range.length && range.contains(part.network)))
      errors.push(invalid(at, one, 'must be a strict subset of `cidr`'));
  }
  return errors;
}

function validatePeer(peer: NetworkPolicyPeer, path: string, stored: readonly string[]): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const errors: FieldError[] = [];
  if (podSelector) addErrors(errors, validateLabelSelector(podSelector, `${path}.podSelector`));
  if (namespaceSelector) addErrors(errors, validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`));
  if (ipBlock) addErrors(errors, validateBlock(ipBlock, `${path}.ipBlock`, stored));
  if (!podSelector && !namespaceSelector && !ipBlock) errors.push(required(path, 'must specify a peer'));
  else if (ipBlock && (podSelector ?? namespaceSelector))
    errors.push(forbidden(path, 'may not specify both ipBlock and another peer'));
  return errors;
}

const blockWarnings = ({ cidr, except = [] }: IPBlock, path: string): string[] => [
  ...cidrWarnings(`${path}.cidr`, cidr),
  ...except.flatMap((one, index) => cidrWarnings(`${path}.except[${index}]`, one)),
];

const cidrsOf = (policy: NetworkPolicy): string[] =>
  [...rulesOf(policy)].flatMap(({ peers }) =>
    peers.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : [])),
  );

/** https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
export const networkPolicies = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['netpol'],
  namespaced: true,
  schema: NetworkPolicy,
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Pod-Selector', ({ spec }) => formatSelector(selectorFrom(spec?.podSelector ?? {})) || '<none>'),
    ageColumn(),
  ],
  applyDefaults: (policy) => {
    const { spec } = policy;
    if (!spec) return;
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
    for (const { ports } of rulesOf(policy)) for (const port of ports) port.protocol ??= 'TCP';
  },
  validate: (policy, old) => {
    const { podSelector = {}, policyTypes = [] } = policy.spec ?? {};
    const errors = validateLabelSelector(podSelector, 'spec.podSelector');
    const stored = old ? cidrsOf(old) : [];
    for (const { path, ports, peers, peersPath } of rulesOf(policy)) {
      for (const [index, port] of ports.entries()) addErrors(errors, validatePort(port, `${path}.ports[${index}]`));
      for (const [index, peer] of peers.entries())
        addErrors(errors, validatePeer(peer, `${peersPath}[${index}]`, stored));
    }
    if (policyTypes.length > POLICY_TYPES.length)
      return [...errors, invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes')];
    for (const [index, type] of policyTypes.entries())
      if (!POLICY_TYPES.includes(type)) errors.push(notSupported(`spec.policyTypes[${index}]`, type, POLICY_TYPES));
    return errors;
  },
  warnings: (policy) =>
    [...rulesOf(policy)].flatMap(({ peers, peersPath }) =>
      peers.flatMap(({ ipBlock }, index) => (ipBlock ? blockWarnings(ipBlock, `${peersPath}[${index}].ipBlock`) : [])),
    ),
});
