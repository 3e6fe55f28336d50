import { IpAddress } from '../../domain/address.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import {
  validateIP,
  validateLabelName,
  validatePathSegmentName,
  validatePortName,
  validatePortNumber,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { loadBalancerWarnings } from '../../domain/address-warnings.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import type { TypedLocalObjectReference } from '../../types/core/v1.gen.ts';
import {
  type HTTPIngressPath,
  Ingress,
  type IngressBackend,
  type IngressRule,
  type IngressTLS,
} from '../../types/networking/v1.gen.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_SUFFIXES = ['/..', '/.'];
const MAX_HOST = 253;
const MAX_SHOWN_HOSTS = 3;
const WILDCARD = /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const listed = (errors: FieldError[], path: string, value: string, problems: readonly string[]): void => {
  for (const problem of problems) errors.push(invalid(path, value, problem));
};

function wildcardProblems(host: string): string[] {
  const problems = host.length > MAX_HOST ? [`must be no more than ${MAX_HOST} bytes`] : [];
  if (host.length > MAX_HOST || !WILDCARD.test(host))
    problems.push(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
  return problems;
}

const hostProblems = (host: string): readonly string[] =>
  host.includes('*') ? wildcardProblems(host) : validateSubdomainName(host);

function validateReference({ apiGroup, kind, name }: TypedLocalObjectReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (typeof apiGroup === 'string') listed(errors, `${path}.apiGroup`, apiGroup, validateSubdomainName(apiGroup));
  for (const [field, value] of Object.entries({ kind, name })) {
    if (value === '') errors.push(required(`${path}.${field}`));
    else listed(errors, `${path}.${field}`, value, validatePathSegmentName(value));
  }
  return errors;
}

function validateBackend({ resource, service }: IngressBackend, path: string): FieldError[] {
  if (resource && service) return [invalid(path, '', 'cannot set both resource and service backends')];
  if (resource) return validateReference(resource, `${path}.resource`);
  if (!service) return [invalid(path, '', 'resource or service backend is required')];
  const errors: FieldError[] = [];
  if (service.name === '') errors.push(required(`${path}.service.name`));
  else listed(errors, `${path}.service.name`, service.name, validateLabelName(service.name));
  const { name = '', number = 0 } = service.port ?? {};
  if (name !== '' && number !== 0) errors.push(invalid(path, '', 'cannot set both port name & port number'));
  else if (name !== '') listed(errors, `${path}.service.port.name`, name, validatePortName(name));
  else if (number === 0) errors.push(required(path, 'port name or number is required'));
  else
    for (const problem of validatePortNumber(number))
      errors.push(invalid(`${path}.service.port.number`, number, problem));
  return errors;
}

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, at: string): FieldError[] {
  if ((pathType as string | null) === null) return [required(`${at}.pathType`, 'pathType must be specified')];
  const errors: FieldError[] = [];
  const refuse = (why: string): void => {
    errors.push(invalid(`${at}.path`, path, why));
  };
  const isFree = pathType === 'ImplementationSpecific';
  if (!PATH_TYPES.includes(pathType)) {
    errors.push(notSupported(`${at}.pathType`, pathType, PATH_TYPES));
  } else {
    if (!path.startsWith('/') && !(isFree && path === '')) refuse('must be an absolute path');
    if (!isFree) {
      for (const sequence of BAD_SEQUENCES) if (path.includes(sequence)) refuse(`must not contain '${sequence}'`);
      for (const suffix of BAD_SUFFIXES) if (path.endsWith(suffix)) refuse(`cannot end with '${suffix}'`);
    }
  }
  addErrors(errors, validateBackend(backend, `${at}.backend`));
  return errors;
}

function validateRule({ host = '', http }: IngressRule, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (host !== '') {
    if (IpAddress.parse(host)) errors.push(invalid(`${path}.host`, host, 'must be a DNS name, not an IP address'));
    listed(errors, `${path}.host`, host, hostProblems(host));
  }
  if (!http) return errors;
  const paths = orEmpty(http.paths);
  if (paths.length === 0) errors.push(required(`${path}.http.paths`));
  for (const [index, one] of paths.entries()) addErrors(errors, validatePath(one, `${path}.http.paths[${index}]`));
  return errors;
}

/** A list that is absent is decoded as null. */
const orEmpty = <T>(list: readonly T[] | null): readonly T[] => list ?? [];

function validateTls({ hosts = [], secretName = '' }: IngressTLS, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, host] of hosts.entries()) listed(errors, `${path}.hosts[${index}]`, host, hostProblems(host));
  if (secretName !== '') listed(errors, `${path}.secretName`, secretName, validateSubdomainName(secretName));
  return errors;
}

function validate({ metadata, spec = {} }: Ingress, old?: Ingress): FieldError[] {
  const errors: FieldError[] = [];
  const { defaultBackend, rules = [], tls = [], ingressClassName } = spec;
  if (rules.length === 0 && !defaultBackend)
    errors.push(invalid('spec', null, 'either `defaultBackend` or `rules` must be specified'));
  if (defaultBackend) addErrors(errors, validateBackend(defaultBackend, 'spec.defaultBackend'));
  for (const [index, rule] of rules.entries()) addErrors(errors, validateRule(rule, `spec.rules[${index}]`));
  for (const [index, one] of tls.entries()) addErrors(errors, validateTls(one, `spec.tls[${index}]`));
  if (ingressClassName !== undefined)
    listed(errors, 'spec.ingressClassName', ingressClassName, validateSubdomainName(ingressClassName));
  const annotated = own(metadata?.annotations, CLASS_ANNOTATION);
  if (!old && annotated !== undefined && ingressClassName !== undefined && annotated !== ingressClassName)
    errors.push(
      invalid(`annotations.${CLASS_ANNOTATION}`, annotated, 'must match `ingressClassName` when both are specified'),
    );
  return errors;
}

function validateStatus({ status }: Ingress, old: Ingress): FieldError[] {
  const errors: FieldError[] = [];
  const known = (old.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  for (const [index, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const path = `status.loadBalancer.ingress[${index}]`;
    if (ip) listed(errors, `${path}.ip`, ip, validateIP(ip, known));
    if (!hostname) continue;
    listed(errors, `${path}.hostname`, hostname, validateSubdomainName(hostname));
    if (IpAddress.parse(hostname))
      errors.push(invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address'));
  }
  return errors;
}

function shownHosts(rules: readonly IngressRule[]): string {
  const hosts = rules.flatMap(({ host }) => (host ? [host] : []));
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, MAX_SHOWN_HOSTS).join(',');
  return hosts.length > MAX_SHOWN_HOSTS ? `${shown} + ${rules.length - MAX_SHOWN_HOSTS} more...` : shown;
}

/** https://kubernetes.io/docs/concepts/services-networking/ingress/ */
export const ingresses = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  shortNames: ['ing'],
  namespaced: true,
  schema: Ingress,
  hasGeneration: true,
  subresources: [statusSubresource<Ingress>({ validate: validateStatus, warnings: loadBalancerWarnings })],
  columns: [
    nameColumn(),
    text('Class', ({ spec }) => spec?.ingressClassName ?? '<none>'),
    text('Hosts', ({ spec }) => shownHosts(spec?.rules ?? [])),
    text('Address', ({ status }) =>
      (status?.loadBalancer?.ingress ?? [])
        .map(({ ip, hostname }) => ip ?? hostname ?? '')
        .sort()
        .join(','),
    ),
    text('Ports', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
    ageColumn(),
  ],
  prepareForCreate: (ingress) => {
    ingress.status = { loadBalancer: {} };
  },
  validate,
  warnings: ({ metadata, spec }, old) => [
    ...(!old && own(metadata?.annotations, CLASS_ANNOTATION) !== undefined && spec?.ingressClassName === undefined
      ? [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`]
      : []),
  ],
});
