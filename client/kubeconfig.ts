/** Loads kubeconfig files: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import type { TransportOptions } from './transport.ts';
import { yamlProblem } from './yaml-problem.ts';

/** A resolved kubeconfig context; pass it as `new ApiClient({ ...kubeconfig, userAgent })`. */
export type Kubeconfig = Omit<TransportOptions, 'userAgent' | 'maxConnections'> & {
  /** The context's namespace; `default` when it sets none. */
  readonly namespace: string;
};

/** An invalid or unreadable kubeconfig. The message names the file and the problem. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

type Entry<K extends string, V> = { readonly name?: string } & { readonly [key in K]?: V };

interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'tls-server-name'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
}
interface AuthUser {
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly exec?: unknown;
  readonly 'auth-provider'?: unknown;
}
interface Context {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}
interface File {
  readonly 'current-context'?: string;
  readonly clusters?: readonly Entry<'cluster', Cluster>[];
  readonly users?: readonly Entry<'user', AuthUser>[];
  readonly contexts?: readonly Entry<'context', Context>[];
}

/** Loads the current context, or the named one. Throws KubeconfigError. */
export async function loadKubeconfig(path: string, contextName?: string): Promise<Kubeconfig> {
  return parseKubeconfig(await read(path, 'kubeconfig'), path, contextName);
}

/** `path` appears in error messages; relative file names are resolved against its folder. Throws KubeconfigError. */
export async function parseKubeconfig(text: string, path: string, contextName?: string): Promise<Kubeconfig> {
  const fail = (what: string): KubeconfigError => new KubeconfigError(`kubeconfig ${path}: ${what}`);
  let file: File | null;
  try {
    file = parse(text) as File | null;
  } catch (error) {
    throw fail(`is not valid YAML: ${yamlProblem(error)}`);
  }
  if (typeof file !== 'object' || file === null) throw fail('is empty');
  const wanted = contextName ?? file['current-context'];
  if (!wanted) throw fail('has no current-context');
  const context = file.contexts?.find(({ name }) => name === wanted)?.context;
  if (!context) throw fail(`has no context ${JSON.stringify(wanted)}`);
  const cluster = file.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  if (!cluster)
    throw fail(
      `context ${JSON.stringify(wanted)} names the cluster ${JSON.stringify(context.cluster)}, which does not exist`,
    );
  if (!cluster.server) throw fail(`cluster ${JSON.stringify(context.cluster)} has no server`);
  if (!URL.canParse(cluster.server)) throw fail(`the server ${JSON.stringify(cluster.server)} is not a URL`);
  const user = context.user ? file.users?.find(({ name }) => name === context.user)?.user : {};
  if (!user)
    throw fail(
      `context ${JSON.stringify(wanted)} names the user ${JSON.stringify(context.user)}, which does not exist`,
    );
  if (user.exec || user['auth-provider']) {
    throw fail(
      `user ${JSON.stringify(context.user)} gets credentials from a plugin, which is not supported: use a certificate or a token`,
    );
  }
  const resolve = (name: string): string => (isAbsolute(name) ? name : join(dirname(path), name));
  const pem = async (data: string | undefined, name: string | undefined, what: string): Promise<string | undefined> => {
    if (data) {
      const decoded = Buffer.from(data, 'base64').toString('utf8');
      if (!decoded.includes('-----BEGIN')) throw fail(`${what}-data is not PEM in base64`);
      return decoded;
    }
    return name ? await read(resolve(name), `${what} of kubeconfig ${path}`) : undefined;
  };
  const options: Kubeconfig = {
    server: cluster.server,
    serverName: cluster['tls-server-name'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    ca: await pem(cluster['certificate-authority-data'], cluster['certificate-authority'], 'certificate-authority'),
    cert: await pem(user['client-certificate-data'], user['client-certificate'], 'client-certificate'),
    key: await pem(user['client-key-data'], user['client-key'], 'client-key'),
    token: user.token,
    tokenFile: user.tokenFile && resolve(user.tokenFile),
    namespace: context.namespace ?? 'default',
  };
  if (Boolean(options.cert) !== Boolean(options.key)) {
    throw fail(
      `user ${JSON.stringify(context.user)} has a client ${options.cert ? 'certificate without a key' : 'key without a certificate'}`,
    );
  }
  return options;
}

const REASONS: ReadonlyMap<string, (path: string) => string> = new Map([
  ['ENOENT', (path) => `${path} does not exist`],
  ['EACCES', (path) => `permission denied for ${path}: run this as root (sudo), or name another kubeconfig`],
  ['EISDIR', (path) => `${path} is a directory`],
]);

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new KubeconfigError(`${what}: ${(code && REASONS.get(code)?.(path)) ?? message}`);
  }
}
