/** What is done to a value on its way to the store and back, by its key: upstream's prefix transformers. */
import type { ProviderConfiguration, ResourceConfiguration } from './configuration.ts';
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
  /** `aesgcm:key1`, `identity`: for people. */
  readonly name: string;
  /** In front of what it has stored; empty for `identity`. */
  readonly prefix: Buffer;
  readonly cipher: Cipher | undefined;
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
    return this.#ways[0].name;
  }

  get names(): readonly string[] {
    return this.#ways.map(({ name }) => name);
  }

  encrypt(key: string, value: Buffer): Buffer {
    const [{ prefix, cipher }] = this.#ways;
    return cipher ? Buffer.concat([prefix, cipher.encrypt(value, Buffer.from(key))]) : value;
  }

  /** Throws an Error that says why, and nothing of the value. */
  decrypt(key: string, stored: Buffer): Decrypted {
    let problem: string | undefined;
    for (const way of this.#ways) {
      if (!startsWith(stored, way.prefix) || (!way.cipher && startsWith(stored, ENCRYPTED))) continue;
      const isStale = way !== this.#ways[0];
      if (!way.cipher) return { value: stored, way: way.name, isStale };
      try {
        const value = way.cipher.decrypt(stored.subarray(way.prefix.length), Buffer.from(key));
        return { value, way: way.name, isStale };
      } catch (error) {
        problem ??= `${way.name}: ${(error as Error).message}`;
      }
    }
    throw new Error(problem ?? 'no matching prefix found');
  }
}

const startsWith = (value: Buffer, prefix: Buffer): boolean =>
  value.length >= prefix.length && value.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;

/** Of resources that no entry names. What has been encrypted is not mistaken for an object. */
const PLAIN = new Transformer([{ name: 'identity', prefix: Buffer.alloc(0), cipher: undefined }]);

export class Transformers {
  readonly #byResource = new Map<string, Transformer>();
  readonly #resources: readonly { readonly names: readonly string[]; readonly transformer: Transformer }[];
  readonly #keys: ResourceKeys;

  constructor(configuration: readonly ResourceConfiguration[], keys: ResourceKeys) {
    this.#keys = keys;
    this.#resources = configuration.map(({ resources = [], providers = [] }) => {
      const [first, ...rest] = providers.flatMap(waysOf);
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

function waysOf(provider: ProviderConfiguration): Way[] {
  if (provider.identity) return [{ name: 'identity', prefix: Buffer.alloc(0), cipher: undefined }];
  return [...PROVIDERS].flatMap(([provides, { open }]) =>
    (provider[provides]?.keys ?? []).map(({ name = '', secret = '' }) => ({
      name: `${provides}:${name}`,
      prefix: Buffer.from(`k8s:enc:${provides}:v1:${name}:`),
      cipher: open(Buffer.from(secret, 'base64')),
    })),
  );
}
