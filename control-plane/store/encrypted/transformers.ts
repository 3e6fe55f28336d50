/** What is done to a value on its way to the store and back, by its key: upstream's prefix transformers. */
import type { ProviderConfiguration, ResourceConfiguration } from './configuration.ts';
import type { KmsProvider } from './kms/kms-provider.ts';
import { PROVIDERS, type Cipher } from './providers.ts';

/** What every encrypted value begins with. */
const ENCRYPTED = Buffer.from('k8s:enc:');

/** Which resource a key is of. */
export interface ResourceKeys {
  /** What all keys begin with, as `/registry/`. */
  readonly root: string;
  /** The group of core is ''. */
  readonly resourceIn: (key: string) => { readonly group: string; readonly plural: string };
}

/** A way to store values. */
interface Way {
  /** `aesgcm:key1`, `kms:vault`, `identity`: for people. */
  readonly name: string;
  /** In front of what it has stored; empty for `identity`. */
  readonly prefix: Buffer;
  /** Of a provider with keys in the configuration. */
  readonly cipher?: Cipher;
  /** Of a provider whose keys somebody else has. */
  readonly kms?: KmsProvider;
}

export interface Decrypted {
  readonly value: Buffer;
  /** How it was stored. */
  readonly way: string;
  /** Whether it would be stored in another way now. */
  readonly isStale: boolean;
}

/** The ways of some resources: values are written in the first one, and read in any. */
class Transformer {
  readonly #ways: readonly [Way, ...Way[]];

  constructor(ways: readonly [Way, ...Way[]]) {
    this.#ways = ways;
  }

  get writes(): string {
    const [{ name, kms }] = this.#ways;
    return kms ? `${name}:${kms.keyId}` : name;
  }

  get names(): readonly string[] {
    return this.#ways.map(({ name }) => name);
  }

  encrypt(key: string, value: Buffer): Buffer {
    const [{ prefix, cipher, kms }] = this.#ways;
    const by = cipher ?? kms;
    return by ? Buffer.concat([prefix, by.encrypt(value, Buffer.from(key))]) : value;
  }

  /** Resolves when `decrypt` has what it needs from somebody else; undefined when it needs nothing. Does not reject. */
  prepare(stored: Buffer): Promise<void> | undefined {
    for (const { kms, prefix } of this.#ways)
      if (kms && startsWith(stored, prefix)) return kms.prepare(stored.subarray(prefix.length));
    return undefined;
  }

  /** After `prepare`. Throws an Error that says why, and nothing of the value. */
  decrypt(key: string, stored: Buffer): Decrypted {
    let problem: string | undefined;
    for (const way of this.#ways) {
      const { name, prefix, cipher, kms } = way;
      const isPlain = !cipher && !kms;
      if (!startsWith(stored, prefix) || (isPlain && startsWith(stored, ENCRYPTED))) continue;
      const isStale = way !== this.#ways[0];
      try {
        const data = stored.subarray(prefix.length);
        if (cipher) return { value: cipher.decrypt(data, Buffer.from(key)), way: name, isStale };
        if (!kms) return { value: stored, way: name, isStale };
        const opened = kms.decrypt(data, Buffer.from(key));
        return { value: opened.value, way: `${name}:${opened.keyId}`, isStale: isStale || opened.isStale };
      } catch (error) {
        problem ??= `${name}: ${(error as Error).message}`;
      }
    }
    throw new Error(problem ?? 'no matching prefix found');
  }
}

const startsWith = (value: Buffer, prefix: Buffer): boolean =>
  value.length >= prefix.length && value.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;

/** Of resources that no entry names. What has been encrypted is not mistaken for an object. */
const IDENTITY: Way = { name: 'identity', prefix: Buffer.alloc(0) };
const PLAIN = new Transformer([IDENTITY]);

export class Transformers {
  readonly #byResource = new Map<string, Transformer>();
  readonly #resources: readonly { readonly names: readonly string[]; readonly transformer: Transformer }[];
  readonly #keys: ResourceKeys;

  /** @param plugins by the names of providers `kms` */
  constructor(
    configuration: readonly ResourceConfiguration[],
    keys: ResourceKeys,
    plugins: ReadonlyMap<string, KmsProvider> = new Map(),
  ) {
    this.#keys = keys;
    this.#resources = configuration.map(({ resources = [], providers = [] }) => {
      const [first, ...rest] = providers.flatMap((provider) => waysOf(provider, plugins));
      return { names: resources, transformer: first ? new Transformer([first, ...rest]) : PLAIN };
    });
  }

  of(key: string): Transformer {
    const { group, plural } = this.#keys.resourceIn(key);
    const resource = group === '' ? plural : `${plural}.${group}`;
    const known = this.#byResource.get(resource);
    if (known) return known;
    const found = this.#find(resource, group);
    this.#byResource.set(resource, found);
    return found;
  }

  /** The first entry that names the resource, with or without wildcards. */
  #find(resource: string, group: string): Transformer {
    const wanted = [resource, `*.${group}`, '*.*'];
    return this.#resources.find(({ names }) => names.some((name) => wanted.includes(name)))?.transformer ?? PLAIN;
  }

  /** For people. */
  get entries(): readonly {
    readonly resources: readonly string[];
    readonly writes: string;
    readonly reads: readonly string[];
  }[] {
    return this.#resources.map(({ names, transformer }) => ({
      resources: names,
      writes: transformer.writes,
      reads: transformer.names,
    }));
  }
}

function waysOf(provider: ProviderConfiguration, plugins: ReadonlyMap<string, KmsProvider>): Way[] {
  if (provider.identity) return [IDENTITY];
  const kms = plugins.get(provider.kms?.name ?? '');
  if (kms) return [{ name: `kms:${kms.name}`, prefix: Buffer.from(`k8s:enc:kms:v2:${kms.name}:`), kms }];
  return [...PROVIDERS].flatMap(([provides, { open }]) =>
    (provider[provides]?.keys ?? []).map(({ name = '', secret = '' }) => ({
      name: `${provides}:${name}`,
      prefix: Buffer.from(`k8s:enc:${provides}:v1:${name}:`),
      cipher: open(Buffer.from(secret, 'base64')),
    })),
  );
}
