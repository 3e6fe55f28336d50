/** `/openapi/v2` and `/openapi/v3`. Documents are built on the first request, and kept as bytes until their kinds change. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import {
  openApiV2,
  openApiV3,
  openApiV3Index,
  openApiV3Kinds,
  type OpenApiSource,
} from '../../../api/machinery/openapi/documents.ts';
import { acceptsProtobuf, OPENAPI_V2_PROTOBUF, openApiV2Protobuf } from '../../../api/machinery/openapi/protobuf.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { bodyKinds, kinds as builtInKinds } from '../../../api/registry.ts';
import { kubernetesVersion } from '../../../api/version.ts';
import { sendTagged, tagged, type TaggedBody } from './tagged-body.ts';
import { mergeSpecs, type RemoteOpenApi } from './remote-openapi.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';

const V3_ROOT = '/openapi/v3';

/** @param remote what other servers serve */
export function openApiHandler(kinds: ServedKinds, remote: RemoteOpenApi): PathHandler {
  const source = { builtInKinds, bodyKinds, serverVersion: kubernetesVersion.gitVersion };
  const version3 = new Version3Documents(source);
  const current = kinds.derived((all) => new OpenApiDocuments(source, all, version3, remote));
  return (exchange) => {
    const { path } = exchange.info;
    if (!path.startsWith('/openapi/')) return false;
    const documents = current();
    if (path === '/openapi/v2') {
      const protobuf = acceptsProtobuf(exchange.header('accept') ?? '');
      sendTagged(
        exchange,
        protobuf ? OPENAPI_V2_PROTOBUF : 'application/json',
        documents.version2(protobuf ? 'protobuf' : 'json'),
      );
      return true;
    }
    if (path === V3_ROOT) {
      return documents.index().then((index) => sendDocument(exchange, index));
    }
    if (!path.startsWith(`${V3_ROOT}/`)) return false;
    const name = path.slice(V3_ROOT.length + 1);
    if (sendVersion3(exchange, documents, name)) return true;
    return remote.document(name)?.then((document) => sendDocument(exchange, tagged(document))) ?? false;
  };
}

function sendVersion3(exchange: Exchange, documents: OpenApiDocuments, name: string): boolean {
  const document = documents.version3(name);
  return document ? sendDocument(exchange, document) : false;
}

function sendDocument(exchange: Exchange, document: TaggedBody): true {
  sendTagged(exchange, 'application/json', document);
  return true;
}

interface Version3Document {
  readonly kinds: readonly Kind[];
  readonly hash: string;
  /** Absent when only its hash has been asked for. */
  readonly body?: string | Buffer;
}

/** The documents of group versions, which outlive changes of other group versions' kinds. */
class Version3Documents {
  readonly #source: OpenApiSource;
  readonly #known = new Map<string, Version3Document>();

  constructor(source: OpenApiSource) {
    this.#source = source;
  }

  get(name: string, kinds: readonly Kind[]): TaggedBody {
    const { hash, body } = this.#current(name, kinds) ?? {};
    if (hash !== undefined && body !== undefined) return { hash, body };
    const document = this.#write(kinds);
    this.#known.set(name, { kinds, ...document });
    return document;
  }

  /** By name. Takes a turn of the event loop for each document that has to be written for it. */
  async hashes(all: ReadonlyMap<string, readonly Kind[]>): Promise<Map<string, string>> {
    for (const name of this.#known.keys()) if (!all.has(name)) this.#known.delete(name);
    const hashes = new Map<string, string>();
    for (const [name, kinds] of all) {
      let { hash } = this.#current(name, kinds) ?? {};
      if (hash === undefined) {
        ({ hash } = this.#write(kinds));
        this.#known.set(name, { kinds, hash });
        await nextTurn();
      }
      hashes.set(name, hash);
    }
    return hashes;
  }

  #current(name: string, kinds: readonly Kind[]): Version3Document | undefined {
    const known = this.#known.get(name);
    const isSame = known?.kinds.length === kinds.length && kinds.every((kind, index) => kind === known.kinds[index]);
    return isSame ? known : undefined;
  }

  #write(kinds: readonly Kind[]): TaggedBody {
    return tagged(Buffer.from(JSON.stringify(openApiV3(this.#source, kinds))));
  }
}

class OpenApiDocuments {
  readonly #source: OpenApiSource;
  readonly #kinds: readonly Kind[];
  readonly #byName: ReadonlyMap<string, readonly Kind[]>;
  readonly #version3: Version3Documents;
  readonly #remote: RemoteOpenApi;
  readonly #version2 = new Map<'json' | 'protobuf', TaggedBody>();
  #index: Promise<TaggedBody> | undefined;
  /** As of which documents of other servers those that contain them were written. */
  #remoteRevision: number;

  constructor(source: OpenApiSource, kinds: readonly Kind[], version3: Version3Documents, remote: RemoteOpenApi) {
    this.#source = source;
    this.#kinds = kinds;
    this.#byName = openApiV3Kinds(kinds);
    this.#version3 = version3;
    this.#remote = remote;
    this.#remoteRevision = remote.revision;
  }

  version2(form: 'json' | 'protobuf'): TaggedBody {
    this.#forgetStale();
    let document = this.#version2.get(form);
    if (!document) {
      const merged = mergeSpecs(openApiV2(this.#source, this.#kinds), this.#remote.specs());
      document = tagged(form === 'protobuf' ? openApiV2Protobuf(merged) : Buffer.from(JSON.stringify(merged)));
      this.#version2.set(form, document);
    }
    return document;
  }

  version3(name: string): TaggedBody | undefined {
    const kinds = this.#byName.get(name);
    return kinds && this.#version3.get(name, kinds);
  }

  /** All that ask for it while it is written get the same. */
  index(): Promise<TaggedBody> {
    this.#forgetStale();
    return (this.#index ??= this.#writeIndex());
  }

  async #writeIndex(): Promise<TaggedBody> {
    const others = this.#remote.hashes();
    const hashes = await this.#version3.hashes(this.#byName);
    for (const [name, hash] of others) if (!hashes.has(name)) hashes.set(name, hash);
    return tagged(Buffer.from(JSON.stringify(openApiV3Index(hashes))));
  }

  #forgetStale(): void {
    if (this.#remoteRevision === this.#remote.revision) return;
    this.#remoteRevision = this.#remote.revision;
    this.#version2.clear();
    this.#index = undefined;
  }
}
