/** The group versions that other servers serve: the APIServices that name a service, from the cache. */
import { apiServices, AVAILABLE } from '../../../api/kinds/apiregistration/api-service.ts';
import type { APIService, ServiceReference } from '../../../api/types/apiregistration/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { RemoteDiscovery, RemoteVersion } from '../documents/remote-discovery.ts';
import type { KeyPair } from '../../pki/pem-files.ts';
import type { Backend } from '../nodes/backend.ts';

/** Where a service is reached. Throws a StatusError: 404 or 503. */
export type ResolveService = (
  namespace: string,
  name: string,
  port: number,
) => Pick<Backend, 'host' | 'port' | 'lookup'>;

export interface RemoteApi {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly service: ServiceReference;
  readonly caBundle: string | undefined;
  readonly insecureSkipTLSVerify: boolean;
  readonly isAvailable: boolean;
  readonly groupPriority: number;
  readonly versionPriority: number;
}

const DEFAULT_PORT = 443;

export class RemoteApis implements RemoteDiscovery {
  readonly #byName = new Map<string, RemoteApi>();
  /** What was last seen of a server's discovery. */
  readonly #documents = new Map<string, RemoteVersion>();
  readonly #listeners = new Set<(name: string) => void>();

  constructor(api: Pick<LocalApi, 'subscribe'>) {
    api.subscribe(apiServices, ({ name, object }) => {
      const remote = object && remoteApi(name, object);
      if (remote) this.#byName.set(name, remote);
      else {
        this.#byName.delete(name);
        this.#documents.delete(name);
      }
      for (const listener of this.#listeners) listener(name);
    });
  }

  get all(): readonly RemoteApi[] {
    return [...this.#byName.values()];
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  get(name: string): RemoteApi | undefined {
    return this.#byName.get(name);
  }

  find(group: string, version: string): RemoteApi | undefined {
    return this.#byName.size === 0 ? undefined : this.#byName.get(`${version}.${group}`);
  }

  onChange(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** @param document what the server has answered; undefined when it has not: what it answered before is stale then. */
  discovered(name: string, document: RemoteVersion | undefined): void {
    if (!this.#byName.has(name)) return;
    const before = this.#documents.get(name);
    if (document) this.#documents.set(name, document);
    else if (before) this.#documents.set(name, { ...before, freshness: 'Stale' });
  }

  /** By priority; a version that has never been reached is announced as stale, without resources. */
  versions(): RemoteVersion[] {
    return this.byPriority().map(
      ({ name, group, version }) => this.#documents.get(name) ?? { group, version, resources: [], freshness: 'Stale' },
    );
  }

  byPriority(): RemoteApi[] {
    return this.all.toSorted((a, b) => b.groupPriority - a.groupPriority || b.versionPriority - a.versionPriority);
  }
}

function remoteApi(name: string, { spec, status }: APIService): RemoteApi | undefined {
  if (!spec?.service) return undefined;
  return {
    name,
    group: spec.group ?? '',
    version: spec.version ?? '',
    service: spec.service,
    caBundle: spec.caBundle,
    insecureSkipTLSVerify: spec.insecureSkipTLSVerify ?? false,
    isAvailable: status?.conditions?.some(({ type, status: is }) => type === AVAILABLE && is === 'True') ?? false,
    groupPriority: spec.groupPriorityMinimum,
    versionPriority: spec.versionPriority,
  };
}

/** The connection to a server: verified for the service's name, with the front proxy's certificate. Throws as `resolve`. */
export function remoteBackend(remote: RemoteApi, resolve: ResolveService, identity: KeyPair): Backend {
  const { namespace = '', name = '', port = DEFAULT_PORT } = remote.service;
  const { caBundle, insecureSkipTLSVerify } = remote;
  return {
    scheme: 'https',
    ...resolve(namespace, name, port),
    tls: {
      cert: identity.certificate,
      key: identity.key,
      servername: `${name}.${namespace}.svc`,
      rejectUnauthorized: !insecureSkipTLSVerify,
      ...(caBundle && { ca: Buffer.from(caBundle, 'base64') }),
    },
  };
}
