import { Cidr } from '../../domain/address.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, immutableField, invalid, required } from '../../machinery/field-error.ts';
import { validateCIDR } from '../../machinery/names.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { ServiceCIDR } from '../../types/networking/v1.gen.ts';

const FIELD = 'spec.cidrs';

function rangeErrors(cidrs: readonly string[]): FieldError[] {
  if (cidrs.length === 0) return [required(FIELD, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalid(FIELD, { cidrs }, 'may only hold up to 2 values')];
  const errors: FieldError[] = [];
  for (const [index, cidr] of cidrs.entries()) {
    for (const problem of canonicalProblems(cidr)) errors.push(invalid(`${FIELD}[${index}]`, cidr, problem));
  }
  const [first, second] = cidrs.map((cidr) => Cidr.parse(cidr)?.family);
  if (first && first === second) {
    const hint = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    errors.push(invalid(FIELD, cidrs, hint));
  }
  return errors;
}

function canonicalProblems(cidr: string): readonly string[] {
  const problems = validateCIDR(cidr);
  const canonical = Cidr.parse(cidr)?.text;
  return problems.length > 0 || cidr === canonical ? problems : [`must be in canonical form ("${canonical}")`];
}

/** A second family may be added; whatever is there stays. */
function changeErrors(cidrs: readonly string[], old: readonly string[]): FieldError[] {
  const isExtended = old.length === 1 && cidrs.length === 2;
  if (cidrs.length !== old.length && !isExtended) return [immutableField(FIELD, cidrs)];
  const errors: FieldError[] = [];
  for (const [index, cidr] of old.entries()) {
    if (cidr !== cidrs[index]) errors.push(immutableField(`${FIELD}[${index}]`, cidrs[index]));
  }
  if (isExtended) addErrors(errors, rangeErrors(cidrs));
  return errors;
}

/** A range of cluster IPs. https://kubernetes.io/docs/reference/networking/virtual-ips/#ip-address-objects */
export const serviceCIDRs = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
  schema: ServiceCIDR,
  subresources: [statusSubresource({ resets: ['metadata', 'spec'] })],
  columns: [nameColumn(), text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn()],
  prepareForCreate: (range) => {
    range.status = {};
  },
  validate: ({ spec }, old) => (old ? [] : rangeErrors(spec?.cidrs ?? [])),
  validateUpdate: ({ spec }, old) => changeErrors(spec?.cidrs ?? [], old.spec?.cidrs ?? []),
});
