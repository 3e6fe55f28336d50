import { ipWarnings } from '../../domain/address-warnings.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { addErrors, type FieldError, duplicate, invalid, required, tooMany } from '../../machinery/field-error.ts';
import {
  validateCanonicalIP,
  validateEndpointIP,
  validateIP,
  validateIPv4,
  validateIPv6,
  validateLabelName,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { Endpoint, EndpointPort, EndpointSlice } from '../../types/discovery/v1.gen.ts';

type Check = (address: string) => readonly string[];

/** The checks of an address, by address type. */
const ADDRESS_CHECKS: ReadonlyMap<string, { readonly isAddress: Check; readonly isOfFamily?: Check }> = new Map([
  ['FQDN', { isAddress: validateSubdomainName }],
  ['IPv4', { isAddress: validateIP, isOfFamily: validateIPv4 }],
  ['IPv6', { isAddress: validateCanonicalIP, isOfFamily: validateIPv6 }],
]);
/** An annotation: when the Service or its pods changed in the way that the endpoints show. */
export const LAST_CHANGE_TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';
/** The label by which a slice says whose endpoints it has. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Marks the endpoints of a Service without an address of its own. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
/** Keeps Endpoints from being mirrored as slices. */
export const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';
const MAX_SHOWN = 3;
/** For one endpoint: of zones, and of nodes. */
const MAX_HINTS = 8;

function shown(values: readonly string[]): string {
  const more = values.length > MAX_SHOWN ? ` + ${values.length - MAX_SHOWN} more...` : '';
  return values.slice(0, MAX_SHOWN).join(',') + more || '<unset>';
}

/** An unknown type is reported elsewhere; its addresses are not checked. The paths are upstream's. */
function validateAddress(address: string, type: string, at: string, place: number): FieldError[] {
  const { isAddress, isOfFamily } = ADDRESS_CHECKS.get(type) ?? {};
  const wrong = (problems: readonly string[], path: string) => problems.map((why) => invalid(path, address, why));
  const errors = wrong(isAddress?.(address) ?? [], `${at}[${place}]`);
  if (errors.length > 0 || !isOfFamily) return errors;
  return [...wrong(isOfFamily(address), at), ...wrong(validateEndpointIP(address), `${at}[${place}]`)];
}

function validateHints(hints: readonly { readonly name: string }[] | undefined, path: string): FieldError[] {
  if (!hints) return [];
  if (hints.length > MAX_HINTS) return [tooMany(path, hints.length, MAX_HINTS)];
  const names = new Set<string>();
  return hints.flatMap(({ name }, index) => {
    const isKnown = names.has(name);
    names.add(name);
    return isKnown ? [duplicate(`${path}[${index}].name`, name)] : [];
  });
}

function validateEndpoints(endpoints: readonly Endpoint[], type: EndpointSlice['addressType']): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { addresses, hints }] of endpoints.entries()) {
    const at = `endpoints[${index}]`;
    const list = addresses ?? [];
    if (!list.length) errors.push(required(`${at}.addresses`, 'must contain at least 1 address'));
    for (const [place, address] of list.entries()) {
      addErrors(errors, validateAddress(address, type, `${at}.addresses`, place));
    }
    addErrors(errors, validateHints(hints?.forZones, `${at}.hints.forZones`));
    addErrors(errors, validateHints(hints?.forNodes, `${at}.hints.forNodes`));
  }
  return errors;
}

function validatePorts(ports: readonly EndpointPort[]): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, { name = '' }] of ports.entries()) {
    const at = `ports[${index}]`;
    if (name) for (const problem of validateLabelName(name)) errors.push(invalid(`${at}.name`, name, problem));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
  }
  return errors;
}

/** Whether an update changes what the generation counts: everything but metadata, and labels. */
const isSame = ({ metadata, ...slice }: EndpointSlice, { metadata: oldMetadata, ...old }: EndpointSlice): boolean =>
  deepEqual(slice, old) && deepEqual(metadata?.labels ?? {}, oldMetadata?.labels ?? {});

/** Of the first beta, whose clients said there what has fields of its own now. */
function dropTopology(endpoints: EndpointSlice['endpoints'] | null | undefined): void {
  for (const endpoint of endpoints ?? []) delete endpoint.deprecatedTopology;
}

/** Controllers, which write canonical addresses, and often. */
const MANAGERS: ReadonlySet<string> = new Set([
  'endpointslice-controller.k8s.io',
  'endpointslicemirroring-controller.k8s.io',
]);

export const endpointSlices = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  schema: EndpointSlice,
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('AddressType', ({ addressType }) => addressType),
    text('Ports', ({ ports }) => shown((ports ?? []).map(({ port }) => String(port ?? '*')))),
    text('Endpoints', ({ endpoints }) => shown((endpoints ?? []).flatMap(({ addresses }) => addresses))),
    ageColumn(),
  ],
  applyDefaults: ({ ports }) => {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  prepareForCreate: ({ endpoints }) => dropTopology(endpoints),
  prepareForUpdate: (slice, old) => {
    if (slice.metadata && !isSame(slice, old)) slice.metadata.generation = (old.metadata?.generation ?? 0) + 1;
    if (!deepEqual(slice.endpoints, old.endpoints)) dropTopology(slice.endpoints);
  },
  warnings: ({ metadata, addressType, endpoints }, old) => [
    ...(!old && addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []),
    ...(MANAGERS.has(own(metadata?.labels, 'endpointslice.kubernetes.io/managed-by') ?? '')
      ? []
      : (endpoints ?? []).flatMap(({ addresses }, index) =>
          addresses.flatMap((address, place) => ipWarnings(`endpoints[${index}].addresses[${place}]`, address)),
        )),
  ],
  validate: ({ addressType, endpoints, ports }) => [
    ...validateEndpoints(endpoints ?? [], addressType),
    ...validatePorts(ports ?? []),
  ],
});
