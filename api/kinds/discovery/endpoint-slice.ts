import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import {
  addErrors,
  type FieldError,
  duplicate,
  invalid,
  notSupported,
  required,
  tooMany,
} from '../../machinery/field-error.ts';
import {
  validateCanonicalIP,
  validateEndpointIP,
  validateIP,
  validateIPv4,
  validateIPv6,
  validateLabelName,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { Endpoint, EndpointPort, EndpointSlice } from '../../types/discovery/v1.gen.ts';

type Check = (address: string) => string[];

/** How an address of each type is checked, and in which family it must be. */
const ADDRESS_CHECKS: ReadonlyMap<string, { readonly isAddress: Check; readonly isOfFamily?: Check }> = new Map([
  ['FQDN', { isAddress: validateSubdomainName }],
  ['IPv4', { isAddress: validateIP, isOfFamily: validateIPv4 }],
  ['IPv6', { isAddress: validateCanonicalIP, isOfFamily: validateIPv6 }],
]);
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const MAX_SHOWN = 3;
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_PORT = 65_535;

function shown(values: readonly string[]): string {
  const more = values.length > MAX_SHOWN ? ` + ${values.length - MAX_SHOWN} more...` : '';
  return values.slice(0, MAX_SHOWN).join(',') + more || '<unset>';
}

/** Of a type that is not known, which is told elsewhere, anything goes. The paths are upstream's. */
function validateAddress(address: string, type: string, at: string, place: number): FieldError[] {
  const { isAddress, isOfFamily } = ADDRESS_CHECKS.get(type) ?? {};
  const wrong = (problems: readonly string[], path: string) => problems.map((why) => invalid(path, address, why));
  const errors = wrong(isAddress?.(address) ?? [], `${at}[${place}]`);
  if (errors.length > 0 || !isOfFamily) return errors;
  return [...wrong(isOfFamily(address), at), ...wrong(validateEndpointIP(address), `${at}[${place}]`)];
}

function validateEndpoints(endpoints: readonly Endpoint[], type: EndpointSlice['addressType']): FieldError[] {
  if (endpoints.length > MAX_ENDPOINTS) return [tooMany('endpoints', endpoints.length, MAX_ENDPOINTS)];
  const errors: FieldError[] = [];
  for (const [index, { addresses, hostname, nodeName }] of endpoints.entries()) {
    const at = `endpoints[${index}]`;
    const list = addresses ?? [];
    if (!list.length) errors.push(required(`${at}.addresses`, 'must contain at least 1 address'));
    if (list.length > MAX_ADDRESSES) errors.push(tooMany(`${at}.addresses`, list.length, MAX_ADDRESSES));
    for (const [place, address] of list.entries()) {
      addErrors(errors, validateAddress(address, type, `${at}.addresses`, place));
    }
    if (hostname !== undefined) {
      for (const problem of validateLabelName(hostname)) errors.push(invalid(`${at}.hostname`, hostname, problem));
    }
    if (nodeName !== undefined) {
      for (const problem of validateSubdomainName(nodeName)) errors.push(invalid(`${at}.nodeName`, nodeName, problem));
    }
  }
  return errors;
}

function validatePorts(ports: readonly EndpointPort[]): FieldError[] {
  if (ports.length > MAX_PORTS) return [tooMany('ports', ports.length, MAX_PORTS)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, { name = '', port, protocol = '' }] of ports.entries()) {
    const at = `ports[${index}]`;
    if (name) for (const problem of validateLabelName(name)) errors.push(invalid(`${at}.name`, name, problem));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (port !== undefined && (port < 1 || port > MAX_PORT)) {
      errors.push(invalid(`${at}.port`, port, `must be between 1 and ${MAX_PORT}, inclusive`));
    }
    if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS));
  }
  return errors;
}

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
  validate: ({ addressType, endpoints, ports }) => [
    ...(ADDRESS_CHECKS.has(addressType)
      ? []
      : [addressType ? notSupported('addressType', addressType, [...ADDRESS_CHECKS.keys()]) : required('addressType')]),
    ...validateEndpoints(endpoints ?? [], addressType),
    ...validatePorts(ports ?? []),
  ],
  validateUpdate: ({ addressType }, old) =>
    addressType === old.addressType ? [] : [invalid('addressType', addressType, 'field is immutable')],
});
