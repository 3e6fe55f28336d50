/** The inventory of hosts: a file that says what a cloud would know of them (docs/inventory.md). */
import { INSTANCE_TYPE_LABEL } from '../api/domain/cloud-provider.ts';
import { REGION_LABEL, ZONE_LABEL } from '../api/domain/topology-labels.ts';
import { constraintsOf } from '../api/machinery/constraints.ts';
import { invalid, notSupported, type FieldError } from '../api/machinery/field-error.ts';
import { validateIP, validateQualifiedName, validateSubdomainName } from '../api/machinery/names.ts';
import { own } from '../api/machinery/own.ts';
import { DecodeError, decoderOf } from '../api/machinery/schema-decoder.ts';
import {
  boolean,
  labelValue,
  list,
  longName,
  mapOf,
  optional,
  required,
  string,
  struct,
} from '../api/machinery/schema.ts';
import { loadConfiguration, parseConfiguration, throwProblems } from '../daemon/configuration-file.ts';
import { SettingValueError } from '../daemon/setting-rules.ts';
import type { NodeAddress } from '../api/types/core/v1.gen.ts';

/** Of `spec.providerID`: the Nodes that have been initialized from an inventory. */
export const INVENTORY_PROVIDER = 'inventory://';

/** A host as the file has it. */
interface HostEntry {
  readonly name: string;
  readonly addresses?: readonly NodeAddress[] | null;
  readonly zone?: string;
  readonly region?: string;
  readonly instanceType?: string;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly shutdown?: boolean;
}

export interface Host {
  /** Of its Node. */
  readonly name: string;
  /** None: the agent's own are right. */
  readonly addresses: readonly NodeAddress[];
  readonly labels: Readonly<Record<string, string>>;
  /** It has been switched off on purpose. */
  readonly isShutDown: boolean;
}

const IP_TYPES: readonly string[] = ['InternalIP', 'ExternalIP'];
const ADDRESS_TYPES: readonly string[] = [...IP_TYPES, 'Hostname', 'InternalDNS', 'ExternalDNS'];

const addressShape = struct('Address', () => ({
  type: required(undefined, string),
  address: required(undefined, string),
}));
const hostShape = struct('Host', () => ({
  name: required(undefined, longName),
  addresses: optional(undefined, list(addressShape)),
  zone: optional(undefined, labelValue),
  region: optional(undefined, labelValue),
  instanceType: optional(undefined, labelValue),
  labels: optional(undefined, mapOf(labelValue)),
  shutdown: optional(undefined, boolean),
}));
const inventoryShape = struct('Inventory', () => ({ hosts: required(undefined, list(hostShape)) }));

const decode = decoderOf<{ readonly hosts: readonly HostEntry[] | null }>(inventoryShape);
const constraints = constraintsOf(inventoryShape, () => true);

/** The hosts of an inventory in YAML or JSON, by name. Throws SettingValueError, whose message names the fields that are wrong. */
export function readInventory(text: string): ReadonlyMap<string, Host> {
  const { value, problems } = parseConfiguration(text, 'inventory');
  // Not even an empty list: the file may have been cut short.
  if (!Array.isArray(own(value, 'hosts')))
    throw new SettingValueError('it must have a list of hosts, which may be empty');
  try {
    const decoded = decode(value);
    const hosts = decoded.object.hosts ?? [];
    const errors = [...(constraints?.(decoded.object) ?? []), ...hosts.flatMap(hostErrors), ...duplicates(hosts)];
    throwProblems([...problems, ...decoded.problems, ...errors.map(({ field, message }) => `${field}: ${message}`)]);
    return new Map(hosts.map((host) => [host.name, hostOf(host)]));
  } catch (error) {
    throw error instanceof DecodeError ? new SettingValueError(error.message, { cause: error }) : error;
  }
}

/** Throws SettingValueError, whose message names the file and what is wrong with it. */
export const loadInventory = (file: string): Promise<ReadonlyMap<string, Host>> =>
  loadConfiguration(file, 'inventory', readInventory);

function hostErrors({ addresses, labels }: HostEntry, index: number): FieldError[] {
  const path = `hosts[${index}]`;
  return [
    ...(addresses ?? []).flatMap(({ type, address }, at) => {
      const field = `${path}.addresses[${at}]`;
      if (!ADDRESS_TYPES.includes(type)) return [notSupported(`${field}.type`, type, ADDRESS_TYPES)];
      const problems = IP_TYPES.includes(type) ? validateIP(address) : validateSubdomainName(address);
      return problems.map((problem) => invalid(`${field}.address`, address, problem));
    }),
    ...Object.keys(labels ?? {}).flatMap((key) =>
      validateQualifiedName(key).map((problem) => invalid(`${path}.labels`, key, problem)),
    ),
  ];
}

function duplicates(hosts: readonly HostEntry[]): FieldError[] {
  const seen = new Set<string>();
  return hosts.flatMap(({ name }, index) => {
    if (seen.has(name)) return [invalid(`hosts[${index}].name`, name, 'is the name of another host, too')];
    seen.add(name);
    return [];
  });
}

function hostOf({ name, addresses, zone, region, instanceType, labels, shutdown = false }: HostEntry): Host {
  const known = {
    ...(zone && { [ZONE_LABEL]: zone }),
    ...(region && { [REGION_LABEL]: region }),
    ...(instanceType && { [INSTANCE_TYPE_LABEL]: instanceType }),
  };
  return { name, addresses: addresses ?? [], labels: { ...labels, ...known }, isShutDown: shutdown };
}
