/**
 * Makes the proxy's model of the cluster's Ingresses. Pure: it never throws for what an object holds; what is wrong with one is in
 * `problems`, and the others are served.
 */
import { createHash } from 'node:crypto';
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import { readPolicy, type ReadPolicy } from '../annotations/main.ts';
import type { Policy } from '../annotations/policy.ts';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule } from '../../../api/types/networking/v1.gen.ts';
import { CertificateCollector } from './certificates.ts';
import { isServed, ownClasses } from './classes.ts';
import type { ClusterView } from './cluster-view.ts';
import { ANY_HOST, type BackendModel, type CanaryModel, type HostModel, type Model, type PathModel } from './model.ts';
import { hasMetacharacters, literalPattern, patternProblem } from './pattern.ts';
import { Problems } from './problems.ts';
import { NO_ROUTING } from './routing.ts';
import { caOf, certificateOf, ContentError, hasCertificate, headersOf, usersOf } from './secrets.ts';
import type { ServedIngress } from './served-ingress.ts';
import { findTarget } from './targets.ts';

export interface CompileOptions {
  readonly allowExternalNames: boolean;
  /** Ingresses, as `namespace/name`, that the proxy has refused: their paths are answered with 503. */
  readonly refused: ReadonlySet<string>;
  /** Whose hosts are, '' for rules without: of those that routes of Gateways had first, other namespaces have none. */
  readonly claims?: ReadonlyMap<string, { readonly namespace: string; readonly by: string; readonly isRoute: boolean }>;
}

interface Hosts {
  readonly paths: Map<string, PathModel>;
}

const WILDCARD = '*.';
/** Of the rules of an Ingress that are about more paths than this, the first count. */
const MAX_PATHS = 10_000;

export function compile(view: ClusterView, options: CompileOptions): Model {
  return new Compilation(view, options).run();
}

class Compilation {
  readonly #view: ClusterView;
  readonly #options: CompileOptions;
  readonly #problems = new Problems();
  readonly #hosts = new Map<string, Hosts>();
  readonly #backends = new Map<string, BackendModel>();
  readonly #certificates: CertificateCollector;
  /** The default backends of hosts whose Ingress has one. */
  readonly #hostDefaults = new Map<string, PathModel>();
  #default: string | undefined;

  constructor(view: ClusterView, options: CompileOptions) {
    this.#view = view;
    this.#options = options;
    this.#certificates = new CertificateCollector(view, this.#problems);
  }

  run(): Model {
    const served = this.#served();
    const main = served.filter(({ policy }) => !policy.canary);
    for (const ingress of main) this.#addRules(ingress);
    // Other names of a host never take what an Ingress has as its own.
    for (const ingress of main) this.#addAliases(ingress);
    for (const ingress of served) if (ingress.policy.canary) this.#addCanary(ingress);
    for (const [host, path] of this.#hostDefaults) {
      const paths = this.#pathsOf(host);
      const key = pathKey(path);
      if (!paths.has(key) && !paths.has(pathKey({ ...path, type: 'literal', path: '/' }))) paths.set(key, path);
    }
    for (const ingress of served)
      if (!this.#options.refused.has(ingress.key)) this.#certificates.add(ingress, this.#isTaken(ingress));
    return {
      hosts: [...this.#hosts].map(([name, { paths }]): HostModel => ({ name, paths: [...paths.values()] })),
      backends: this.#backends,
      defaultBackend: this.#default,
      certificates: this.#certificates.all(),
      problems: this.#problems.all(),
      served: new Set(served.map(({ key }) => key)),
      routing: NO_ROUTING,
    };
  }

  /** Oldest first: who was there first keeps what two want. */
  #served(): ServedIngress[] {
    const classes = ownClasses(this.#view.classes);
    const served = [...this.#view.ingresses].filter((ingress) => isServed(ingress, classes)).sort(byAge);
    return served.map((object) => {
      const { namespace = '', name = '', uid = '' } = object.metadata ?? {};
      const key = `${namespace}/${name}`;
      const { policy, refusals } = policyOf(object);
      let isClosed = this.#options.refused.has(key);
      if (isClosed)
        this.#problems.add(
          { namespace, name },
          'ConfigurationRefused',
          'the proxy refuses the configuration of this Ingress; its paths are answered with 503',
        );
      for (const { annotation, problem, closes } of refusals) {
        isClosed ||= closes;
        const effect = closes ? '; the paths of the Ingress are answered with 503' : '';
        this.#problems.add({ namespace, name }, 'AnnotationRefused', `${annotation} ${problem}${effect}`);
      }
      return { key, namespace, name, uid, object, policy, isClosed };
    });
  }

  #addRules(ingress: ServedIngress): void {
    const { rules = [], defaultBackend } = ingress.object.spec ?? {};
    let left = MAX_PATHS;
    for (const rule of rules) {
      const host = this.#hostOf(ingress, rule);
      if (host === undefined) continue;
      for (const path of (rule.http?.paths ?? []).slice(0, left)) {
        left--;
        this.#addPath(ingress, host, path);
      }
      if (defaultBackend && !this.#hostDefaults.has(host))
        this.#hostDefaults.set(host, this.#defaultPath(ingress, host, defaultBackend));
    }
    if (defaultBackend && rules.length === 0)
      this.#default ??= this.#defaultPath(ingress, ANY_HOST, defaultBackend).backend;
  }

  #defaultPath(ingress: ServedIngress, host: string, backend: IngressBackend): PathModel {
    const name = this.#backendOf(ingress, host, backend, undefined);
    return { type: 'prefix', path: '', backend: name, ingress: ingress.key };
  }

  #hostOf(ingress: ServedIngress, { host = '' }: IngressRule): string | undefined {
    const owner = this.#ownerOf(ingress, host);
    if (owner !== undefined) {
      const what = host === '' ? 'rules without host are' : `${host} is`;
      this.#problems.add(ingress, 'PathConflict', `${what} served as ${owner} has it, which is older`);
      return undefined;
    }
    if (host === '') return ANY_HOST;
    const plain = host.startsWith(WILDCARD) ? host.slice(WILDCARD.length) : host;
    if (validateSubdomainName(plain).length === 0) return host;
    this.#problems.add(ingress, 'PathRefused', `${JSON.stringify(host)} is no host name`);
    return undefined;
  }

  /** The route of a Gateway of another namespace that has the host; undefined when the Ingress may have it. */
  #ownerOf({ namespace }: ServedIngress, host: string): string | undefined {
    const claim = this.#options.claims?.get(host);
    return claim?.isRoute === true && claim.namespace !== namespace ? claim.by : undefined;
  }

  /** Hosts of which it is not this Ingress's to say which certificate is shown, and which is asked for. */
  readonly #isTaken =
    (ingress: ServedIngress) =>
    (host: string): boolean =>
      this.#ownerOf(ingress, host) !== undefined;

  #pathsOf(host: string): Map<string, PathModel> {
    const known = this.#hosts.get(host);
    if (known) return known.paths;
    const paths = new Map<string, PathModel>();
    this.#hosts.set(host, { paths });
    return paths;
  }

  #addPath(ingress: ServedIngress, host: string, rule: HTTPIngressPath): void {
    const { type, path } = pathOf(rule, ingress.policy);
    // It may be the expression that is refused.
    if (type === 'pattern' && this.#options.refused.has(ingress.key)) return;
    const problem = pathProblem(type, path);
    if (problem !== undefined) {
      this.#problems.add(ingress, 'PathRefused', `path ${JSON.stringify(path)} ${problem}; it is not served`);
      return;
    }
    const paths = this.#pathsOf(host);
    const key = pathKey({ type, path });
    const other = paths.get(key);
    if (other) {
      if (other.ingress !== ingress.key)
        this.#problems.add(
          ingress,
          'PathConflict',
          `${shownHost(host)}${path || '/'} is served as Ingress ${other.ingress} has it, which is older`,
        );
      return;
    }
    const rewritten = ingress.policy.rewriteTarget && rewrittenBy(type, path);
    paths.set(key, {
      type,
      path,
      ingress: ingress.key,
      backend: this.#backendOf(ingress, host, rule.backend, rewritten),
    });
  }

  /** Adds the backend, if it is not there yet. Returns its name. */
  #backendOf(ingress: ServedIngress, host: string, backend: IngressBackend, rewritten: string | undefined): string {
    const { policy, namespace } = ingress;
    const hasTls = host !== ANY_HOST && this.#certificates.covers(ingress, host);
    const redirectsToHttps = policy.forceSslRedirect === true || (hasTls && policy.sslRedirect !== false);
    const reference = backend.service ?? { name: '' };
    const port = reference.port?.name || String(reference.port?.number ?? 0);
    const name = backendName(ingress, [
      reference.name,
      port,
      redirectsToHttps,
      rewritten ?? '',
      backend.resource?.name ?? '',
    ]);
    if (this.#backends.has(name)) return name;
    const target = findTarget(this.#view, namespace, backend, {
      allowExternalNames: this.#options.allowExternalNames,
      useClusterIP: policy.serviceUpstream ?? false,
    });
    if (target.problem) this.#problems.add(ingress, target.problem.reason, target.problem.message);
    const material = this.#materialOf(ingress);
    this.#backends.set(name, {
      name,
      ingress: { namespace, name: ingress.name },
      service: target.service,
      policy,
      redirectsToHttps,
      rewritten,
      endpoints: target.endpoints,
      canary: undefined,
      uid: ingress.uid,
      ...material,
      isClosed: ingress.isClosed || material.isClosed,
    });
    return name;
  }

  /** What an Ingress has in Secrets and ConfigMaps. It is closed when a guard among it cannot be read. */
  #materialOf(ingress: ServedIngress): Pick<BackendModel, Material> {
    const { policy } = ingress;
    const read = this.#reader(ingress);
    const users = policy.authSecret === undefined ? undefined : read.users(policy.authSecret, policy.authSecretType);
    const tls = policy.tlsSecret === undefined ? undefined : read.upstream(policy.tlsSecret, policy.tlsVerify === true);
    const { authRequestHeaders } = policy;
    const authHeaders = authRequestHeaders === undefined ? [] : read.headers(authRequestHeaders, /\$/);
    const asksClients = policy.clientCa !== undefined && policy.clientVerify !== 'off';
    const clientCa = asksClients ? this.#certificates.addClientCa(ingress, this.#isTaken(ingress)) : undefined;
    return {
      users: users === 'unreadable' ? undefined : users,
      upstreamCa: tls === 'unreadable' ? undefined : tls?.ca,
      upstreamCertificate: tls === 'unreadable' ? undefined : tls?.certificate,
      clientCa,
      headers: policy.customHeaders === undefined ? [] : (read.headers(policy.customHeaders) ?? []),
      authHeaders: authHeaders ?? [],
      isClosed:
        users === 'unreadable' ||
        tls === 'unreadable' ||
        (asksClients && clientCa === undefined) ||
        authHeaders === undefined,
    };
  }

  #reader(ingress: ServedIngress) {
    const { namespace } = ingress;
    const secretOf = (name: string) => this.#problems.secret(this.#view, ingress, name);
    const attempt = <T>(name: string, run: () => T): T | 'unreadable' => {
      try {
        return run();
      } catch (error) {
        if (!(error instanceof ContentError)) throw error;
        this.#problems.add(ingress, 'InvalidCredentials', `Secret ${namespace}/${name} ${error.message}`);
        return 'unreadable';
      }
    };
    return {
      users: (name: string, type: 'auth-file' | 'auth-map' = 'auth-file') => {
        const secret = secretOf(name);
        if (!secret) return 'unreadable' as const;
        return attempt(name, () => {
          const { users, unusable } = usersOf(secret, type);
          if (unusable > 0)
            this.#problems.add(
              ingress,
              'InvalidCredentials',
              `Secret ${namespace}/${name} has ${unusable} users whose names or hashes cannot be used: make them with htpasswd -B`,
            );
          return users;
        });
      },
      upstream: (name: string, needsCa: boolean) => {
        const secret = secretOf(name);
        if (!secret) return 'unreadable' as const;
        return attempt(name, () => ({
          ca: needsCa ? caOf(secret) : undefined,
          certificate: hasCertificate(secret) ? certificateOf(secret) : undefined,
        }));
      },
      /** Undefined while they cannot be read. */
      headers: (name: string, refused?: RegExp) => {
        const map = this.#view.configMap(namespace, name);
        if (map === 'unknown') return undefined;
        if (!map) {
          this.#problems.add(ingress, 'ConfigMapNotFound', `ConfigMap ${namespace}/${name} does not exist`);
          return undefined;
        }
        try {
          const headers = headersOf(map);
          if (refused && headers.some(([, value]) => refused.test(value)))
            throw new ContentError('has a value with a $: there are no variables');
          return headers;
        } catch (error) {
          if (!(error instanceof ContentError)) throw error;
          this.#problems.add(ingress, 'AnnotationRefused', `ConfigMap ${namespace}/${name} ${error.message}`);
          return undefined;
        }
      },
    };
  }

  #addAliases(ingress: ServedIngress): void {
    const own = (ingress.object.spec?.rules ?? []).map(({ host = '' }) => host).find((host) => host !== '');
    const paths = own === undefined ? undefined : this.#hosts.get(own)?.paths;
    for (const alias of ingress.policy.aliases ?? []) {
      if (!paths || this.#hosts.has(alias)) {
        this.#problems.add(
          ingress,
          'PathConflict',
          `server-alias ${alias} is a host of an Ingress, or there is no own host`,
        );
        continue;
      }
      const owner = this.#ownerOf(ingress, alias);
      if (owner !== undefined) {
        this.#problems.add(ingress, 'PathConflict', `server-alias ${alias} is served as ${owner} has it`);
        continue;
      }
      const copy = this.#pathsOf(alias);
      for (const [key, path] of paths) if (path.ingress === ingress.key) copy.set(key, path);
    }
  }

  /** A canary takes its part of paths that are there already; whatever guards these guards it, too. */
  #addCanary(canary: ServedIngress): void {
    for (const rule of canary.object.spec?.rules ?? []) {
      const host = this.#hostOf(canary, rule);
      if (host === undefined) continue;
      for (const each of (rule.http?.paths ?? []).slice(0, MAX_PATHS)) this.#addCanaryPath(canary, host, each);
    }
  }

  #addCanaryPath(canary: ServedIngress, host: string, rule: HTTPIngressPath): void {
    const paths = this.#hosts.get(host)?.paths;
    // The main Ingress says how its paths are read.
    const key = [...(paths?.entries() ?? [])].find(([, { type, path }]) => isSamePath(rule, type, path))?.[0];
    const route = key === undefined ? undefined : paths?.get(key);
    const main = route && this.#backends.get(route.backend);
    if (!paths || key === undefined || !route || !main || main.ingress.namespace !== canary.namespace) {
      const where = `${shownHost(host)}${rule.path ?? '/'}`;
      this.#problems.add(
        canary,
        'CanaryWithoutMain',
        `no Ingress of its namespace has ${where}, so the canary takes no part`,
      );
      return;
    }
    if (main.canary) {
      this.#problems.add(canary, 'PathConflict', `${shownHost(host)}${rule.path ?? '/'} has a canary already`);
      return;
    }
    const target = findTarget(this.#view, canary.namespace, rule.backend, {
      allowExternalNames: this.#options.allowExternalNames,
      useClusterIP: canary.policy.serviceUpstream ?? false,
    });
    if (target.problem) this.#problems.add(canary, target.problem.reason, target.problem.message);
    const { policy } = canary;
    const own = backendName(canary, [main.name, target.service, target.port]);
    this.#backends.set(own, {
      ...main,
      ...{ name: own, ingress: { namespace: canary.namespace, name: canary.name }, service: target.service },
      ...{ endpoints: target.endpoints, uid: canary.uid },
      policy: { ...main.policy, protocol: policy.protocol ?? main.policy.protocol },
      isClosed: main.isClosed || canary.isClosed,
    });
    // What others share with the main path has no canary.
    const split = `${main.name}_canary-${shortHash(own)}`;
    this.#backends.set(split, { ...main, name: split, canary: canaryOf(policy, own) });
    paths.set(key, { ...route, backend: split });
  }
}

type Material = 'users' | 'upstreamCa' | 'upstreamCertificate' | 'clientCa' | 'headers' | 'authHeaders' | 'isClosed';
const DEFAULT_TOTAL = 100;

const canaryOf = (policy: Policy, backend: string): CanaryModel => ({
  backend,
  weight: policy.canaryWeight ?? 0,
  total: policy.canaryTotal ?? DEFAULT_TOTAL,
  header: policy.canaryHeader,
  headerValue: policy.canaryHeaderValue,
  cookie: policy.canaryCookie,
});

/** Annotations are read once for each version of an Ingress. */
const POLICIES = new WeakMap<Ingress, ReadPolicy>();
function policyOf(ingress: Ingress): ReadPolicy {
  const known = POLICIES.get(ingress);
  if (known) return known;
  const read = readPolicy(ingress.metadata?.annotations, ingress.metadata?.namespace ?? '');
  POLICIES.set(ingress, read);
  return read;
}

function byAge(a: Ingress, b: Ingress): number {
  const [left, right] = [a, b].map(({ metadata = {} }) => [
    String(metadata.creationTimestamp ?? ''),
    `${metadata.namespace}/${metadata.name}`,
  ]);
  return String(left) < String(right) ? -1 : 1;
}

const shownHost = (host: string): string => (host === ANY_HOST ? '' : host);
const pathKey = ({ type, path }: Pick<PathModel, 'type' | 'path'>): string => `${type} ${path}`;

/** A path as it is matched, without regard to what is wrong with it. */
function pathOf({ path = '', pathType }: HTTPIngressPath, policy: Policy): Pick<PathModel, 'type' | 'path'> {
  const whole = path === '' ? '/' : path;
  if (pathType === 'Exact') return { type: 'exact', path: whole };
  const usesPatterns = policy.useRegex ?? policy.rewriteTarget !== undefined;
  if (usesPatterns && (pathType === 'ImplementationSpecific' || hasMetacharacters(whole)))
    return { type: 'pattern', path: whole };
  if (pathType === 'ImplementationSpecific') return { type: 'literal', path: whole };
  return { type: 'prefix', path: whole.replace(/\/+$/, '') };
}

const isSamePath = (rule: HTTPIngressPath, type: PathModel['type'], path: string): boolean =>
  pathKey(pathOf(rule, { useRegex: type === 'pattern' })) === pathKey({ type, path });

/** Beyond ASCII, a path is compared as the bytes of its UTF-8. */
const UNUSABLE = /[\s\p{Cc}]/u;
const MAX_PATH = 1_024;

function pathProblem(type: PathModel['type'], path: string): string | undefined {
  if (type === 'pattern') return path.startsWith('/') ? patternProblem(path) : 'does not begin with /';
  if (path !== '' && !path.startsWith('/')) return 'does not begin with /';
  if (UNUSABLE.test(path)) return 'has spaces or control characters';
  return path.length > MAX_PATH ? `is longer than ${MAX_PATH} characters` : undefined;
}

/** The expression whose groups a rewrite uses. */
const rewrittenBy = (type: PathModel['type'], path: string): string =>
  type === 'pattern' ? path : literalPattern(path || '/');

const HASH_CHARACTERS = 10;
const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARACTERS);

/** Names of objects have no underscore: the parts can be told apart in logs and metrics. */
const backendName = ({ namespace, name }: ServedIngress, parts: readonly unknown[]): string =>
  `${namespace}_${name}_${shortHash(JSON.stringify(parts))}`;
