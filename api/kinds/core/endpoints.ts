import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { validateEndpointIP } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { ipWarnings } from '../../domain/address-warnings.ts';
import { EndpointSubset, Endpoints } from '../../types/core/v1.gen.ts';
import type { ObjectMeta } from '../../types/meta/v1.gen.ts';

const MAX_SHOWN = 3;

function shown({ subsets }: Endpoints): string {
  const all = (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    ports.length
      ? ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
      : addresses.map(({ ip }) => ip),
  );
  const more = all.length > MAX_SHOWN ? ` + ${all.length - MAX_SHOWN} more...` : '';
  return all.slice(0, MAX_SHOWN).join(',') + more || '<none>';
}

function validateSubset(
  { addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset,
  at: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!addresses.length && !notReadyAddresses.length) {
    errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'));
  }
  for (const [field, list] of Object.entries({ addresses, notReadyAddresses })) {
    for (const [index, { ip }] of list.entries()) {
      for (const problem of validateEndpointIP(ip)) errors.push(invalid(`${at}.${field}[${index}].ip`, ip, problem));
    }
  }
  for (const [index, { name }] of ports.entries()) {
    if (!name && ports.length > 1) errors.push(required(`${at}.ports[${index}].name`));
  }
  return errors;
}

/** The controller writes canonical addresses, and often. */
const isManaged = (metadata: ObjectMeta | undefined): boolean =>
  own(metadata?.labels, 'endpoints.kubernetes.io/managed-by') === 'endpoint-controller';

const subsetWarnings = (subset: EndpointSubset, index: number): string[] =>
  (['addresses', 'notReadyAddresses'] as const).flatMap((field) =>
    (subset[field] ?? []).flatMap(({ ip }, place) => ipWarnings(`subsets[${index}].${field}[${place}].ip`, ip)),
  );

export const endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  schema: Endpoints,
  createOnUpdate: true,
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  columns: [nameColumn(), text('Endpoints', shown), ageColumn()],
  applyDefaults: ({ subsets }) => {
    for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ||= 'TCP';
  },
  warnings: ({ metadata, subsets }) => (isManaged(metadata) ? [] : (subsets ?? []).flatMap(subsetWarnings)),
  validate: ({ subsets }) => (subsets ?? []).flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`)),
});
