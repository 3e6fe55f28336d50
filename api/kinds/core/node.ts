import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text, wide } from '../../machinery/columns.ts';
import { type FieldError, duplicate, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateLabelValue, validateQualifiedName } from '../../machinery/names.ts';
import { cidrWarnings } from '../../domain/address-warnings.ts';
import { validateResourceAmount } from './resource-validation.ts';
import { Node, NodeStatus, Taint } from '../../types/core/v1.gen.ts';
import { nodeProxy } from './proxy-options.ts';

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const word = !ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function rolesOf({ metadata }: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata?.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && value) roles.add(value);
  }
  return [...roles].sort().join(',') || '<none>';
}

const addressOf = ({ status }: Node, type: string): string =>
  status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';

const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** As upstream, errors name the place that taints had once. */
function validateTaints(taints: readonly Taint[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { key, value = '', effect, timeAdded = null }] of taints.entries()) {
    const at = `metadata.taints[${index}]`;
    for (const problem of validateQualifiedName(key)) errors.push(invalid(`${at}.key`, key, problem));
    const problems = validateLabelValue(value);
    if (problems.length > 0) errors.push(invalid(`${at}.value`, value, problems.join(';')));
    if (!effect) errors.push(required(`${at}.effect`));
    else if (!TAINT_EFFECTS.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, TAINT_EFFECTS));
    const pair = `${key}:${effect}`;
    if (seen.has(pair)) {
      const shown = { Key: key, Value: value, Effect: effect, TimeAdded: timeAdded };
      errors.push(duplicate(at, shown, 'taints must be unique by key and effect pair'));
    }
    seen.add(pair);
  }
  return errors;
}

function validatePodCIDRs(cidrs: readonly string[]): FieldError[] {
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')));
  return families.size < cidrs.length
    ? [invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family')]
    : [];
}

function validateAmounts(status: NodeStatus | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status?.[field] ?? {})) {
      validateResourceAmount(name, amount, `status.${field}[${name}]`, errors);
    }
  }
  return errors;
}

export const nodes = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  namespaced: false,
  schema: Node,
  subresources: [nodeProxy, statusSubresource({ validate: ({ status }) => validateAmounts(status) })],
  columns: [
    nameColumn(),
    text('Status', statusOf),
    text('Roles', rolesOf),
    ageColumn(),
    text('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', (node) => addressOf(node, 'InternalIP')),
    wide('External-IP', (node) => addressOf(node, 'ExternalIP')),
    wide('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  applyDefaults: ({ spec, status }) => {
    // Of two that disagree, the older field is the one to keep.
    if (spec?.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
    else if (spec?.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0];
    if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  },
  prepareForUpdate: (node, old) => {
    node.status = old.status;
  },
  warnings: ({ spec }) => [
    ...(spec?.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
    ...(spec?.podCIDRs ?? []).flatMap((range, index) => cidrWarnings(`spec.podCIDRs[${index}]`, range)),
  ],
  validate: ({ spec, status }) => [
    ...validateTaints(spec?.taints ?? []),
    ...validatePodCIDRs(spec?.podCIDRs ?? []),
    ...validateAmounts(status),
  ],
  validateUpdate: ({ spec }, old) => {
    const errors: FieldError[] = [];
    // Unlike upstream's, a node gets a range of the other family when its cluster becomes dual-stack: what it has stays.
    const before = old.spec?.podCIDRs ?? [];
    if ((spec?.podCIDRs ?? []).slice(0, before.length).join() !== before.join()) {
      errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
    }
    if (old.spec?.providerID && spec?.providerID !== old.spec.providerID) {
      errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
    }
    if (spec?.externalID !== old.spec?.externalID) errors.push(forbidden('spec.externalID', 'may not be updated'));
    return errors;
  },
});
