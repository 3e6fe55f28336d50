/** `/openapi/v2` and `/openapi/v3`. Documents are built on the first request, and kept as bytes until the kinds change. */
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import {
  openApiV2,
  openApiV3,
  openApiV3Index,
  openApiV3Names,
  type OpenApiSource,
} from '../../../api/machinery/openapi/documents.ts';
import { acceptsProtobuf, OPENAPI_V2_PROTOBUF, openApiV2Protobuf } from '../../../api/machinery/openapi/protobuf.ts';
import { bodyKinds } from '../../../api/registry.ts';
import { kubernetesVersion } from '../../../api/version.ts';
import { sendTagged, tagged, type TaggedBody } from './tagged-body.ts';
import { mergeSpecs, type RemoteOpenApi } from './remote-openapi.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';

const V3_ROOT = '/openapi/v3';

/** @param remote what other servers serve */
export function openApiHandler(kinds: ServedKinds, remote: RemoteOpenApi): PathHandler {
  const serverVersion = kubernetesVersion.gitVersion;
  const current = kinds.derived((all) => new OpenApiDocuments({ kinds: all, bodyKinds, serverVersion }, remote));
  return (exchange) => {
    const { path } = exchange.info;
    if (!path.startsWith('/openapi/')) return false;
    const documents = current();
    if (path === '/openapi/v2') {
      const protobuf = acceptsProtobuf(exchange.header('accept') ?? '');
      sendTagged(exchange, protobuf ? OPENAPI_V2_PROTOBUF : 'application/json', documents.version2(protobuf));
      return true;
    }
    if (path === V3_ROOT) {
      sendTagged(exchange, 'application/json', documents.index());
      return true;
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

class OpenApiDocuments {
  readonly #source: OpenApiSource;
  readonly #remote: RemoteOpenApi;
  readonly #written = new Map<string, TaggedBody>();
  /** As of which documents of other servers those that contain them were written. */
  #remoteRevision: number;

  constructor(source: OpenApiSource, remote: RemoteOpenApi) {
    this.#source = source;
    this.#remote = remote;
    this.#remoteRevision = remote.revision;
  }

  version2(protobuf: boolean): TaggedBody {
    this.#forgetStale();
    return this.#once(protobuf ? 'v2 protobuf' : 'v2', () => {
      const document = mergeSpecs(openApiV2(this.#source), this.#remote.specs());
      return protobuf ? openApiV2Protobuf(document) : Buffer.from(JSON.stringify(document));
    });
  }

  version3(name: string): TaggedBody | undefined {
    if (!openApiV3Names(this.#source.kinds).includes(name)) return undefined;
    return this.#once(`v3 ${name}`, () => Buffer.from(JSON.stringify(openApiV3(this.#source, name))));
  }

  #forgetStale(): void {
    if (this.#remoteRevision === this.#remote.revision) return;
    this.#remoteRevision = this.#remote.revision;
    for (const name of ['v2', 'v2 protobuf', 'v3']) this.#written.delete(name);
  }

  index(): TaggedBody {
    this.#forgetStale();
    return this.#once('v3', () => {
      const names = openApiV3Names(this.#source.kinds);
      const others = this.#remote.hashes();
      const added = [...others.keys()].filter((name) => !names.includes(name));
      const hashOf = (name: string) => {
        const document = this.version3(name);
        return document ? document.hash : (others.get(name) ?? '');
      };
      return Buffer.from(JSON.stringify(openApiV3Index([...names, ...added], hashOf)));
    });
  }

  #once(name: string, write: () => Buffer): TaggedBody {
    let document = this.#written.get(name);
    if (!document) {
      document = tagged(write());
      this.#written.set(name, document);
    }
    return document;
  }
}
