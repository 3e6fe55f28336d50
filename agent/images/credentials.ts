/** Registry credentials from image pull secrets. They are never logged. */
import type { AuthConfig } from '../cri/types.ts';
import { matchesGlob } from './glob.ts';
import { DEFAULT_REGISTRY, type ImageReference } from '../../api/domain/image-reference.ts';
import { own } from '../../api/machinery/own.ts';
import type { Secret } from '../../api/types/core/v1.gen.ts';

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Docker's name of its own registry in these files, which is not the host that images are named by. */
const DOCKER_HUB = 'index.docker.io';
/** A host's name has 253 letters; a pattern of it may need a few more. */
const MAX_HOST_PATTERN = 1024;

interface Entry {
  /** Host and path, normalized as by Docker. */
  readonly key: string;
  readonly serverAddress: string;
  readonly auth: DockerAuth;
}

/** The credentials that fit the image, the most specific first. Unreadable entries of secrets are skipped. */
export function credentialsFor(image: ImageReference, secrets: readonly Secret[]): AuthConfig[] {
  const entries = secrets
    .flatMap((secret) => Object.entries(authsOf(secret)))
    .filter(([, auth]) => isObject(auth))
    .map(([serverAddress, auth]): Entry => ({ key: keyOf(serverAddress), serverAddress, auth }));
  const name = `${image.registry}/${image.repository}`;
  let fitting = entries
    .filter(({ key }) => covers(key, name))
    .sort((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
  if (fitting.length === 0 && image.registry === DEFAULT_REGISTRY)
    fitting = entries.filter(({ key }) => key === DOCKER_HUB);
  return fitting.map(({ serverAddress, auth }) => authConfig(serverAddress, auth));
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function authsOf(secret: Secret): Record<string, DockerAuth> {
  const text = (key: string): string | undefined => {
    const value = own(secret.data, key);
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
  };
  try {
    const config = text('.dockerconfigjson');
    const legacy = text('.dockercfg');
    const auths: unknown =
      config === undefined
        ? JSON.parse(legacy ?? '{}')
        : (JSON.parse(config) as { auths?: Record<string, DockerAuth> } | null)?.auths;
    return isObject(auths) ? (auths as Record<string, DockerAuth>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function authConfig(serverAddress: string, auth: DockerAuth): AuthConfig {
  // `auth` has precedence.
  const [username, ...password] = auth.auth
    ? Buffer.from(auth.auth, 'base64').toString('utf8').split(':')
    : [auth.username, auth.password ?? ''];
  return {
    serverAddress,
    username,
    password: password.join(':'),
    ...(auth.identitytoken !== undefined && { identityToken: auth.identitytoken }),
    ...(auth.registrytoken !== undefined && { registryToken: auth.registrytoken }),
  };
}

/** Docker's clients write a scheme and the version of the registry's API, which are not part of image names. */
function keyOf(serverAddress: string): string {
  const [host, path] = hostAndPath(serverAddress.replace(/^https?:\/\//, ''));
  const below = path.replace(/^\/v[12](?=\/)/, '');
  return below === '/' ? host : host + below;
}

/**
 * Each part of the pattern's host is a glob for one of the image's; port and path are taken as they are, the path as a prefix.
 */
function covers(pattern: string, name: string): boolean {
  const [patternHost, patternPath] = hostAndPath(pattern);
  const [nameHost, namePath] = hostAndPath(name);
  if (patternHost.length > MAX_HOST_PATTERN || !namePath.startsWith(patternPath)) return false;
  const [wanted, wantedPort] = partsOf(patternHost);
  const [actual, actualPort] = partsOf(nameHost);
  if (wantedPort !== actualPort || wanted.length !== actual.length) return false;
  return wanted.every((part, index) => matchesGlob(part, actual[index] ?? ''));
}

function hostAndPath(address: string): [host: string, path: string] {
  const slash = address.indexOf('/');
  return slash < 0 ? [address, ''] : [address.slice(0, slash), address.slice(slash)];
}

function partsOf(host: string): [parts: string[], port: string] {
  const port = /:(\d*)$/.exec(host);
  return [host.slice(0, port?.index).split('.'), port?.[1] ?? ''];
}
