/** Registry credentials out of image pull secrets. Nothing here is ever logged. */
import type { Secret } from '../../api/core/secret.ts';
import type { AuthConfig } from '../cri/types.ts';
import { imageName, type ImageReference } from './reference.ts';
import { own } from '../../api/machinery/own.ts';

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** The credentials that fit the image, the most specific first. Secrets that cannot be read are passed over. */
export function credentialsFor(image: ImageReference, secrets: readonly Secret[]): AuthConfig[] {
  const name = imageName(image);
  return secrets
    .flatMap((secret) => Object.entries(authsOf(secret)))
    .filter(([pattern]) => matches(pattern, name))
    .sort(([a], [b]) => b.length - a.length)
    .map(([serverAddress, auth]) => authConfig(serverAddress, auth));
}

function authsOf(secret: Secret): Record<string, DockerAuth> {
  const text = (key: string): string | undefined => {
    const value = own(secret.data, key);
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
  };
  try {
    const config = text('.dockerconfigjson');
    if (config !== undefined) return (JSON.parse(config) as { auths?: Record<string, DockerAuth> }).auths ?? {};
    const legacy = text('.dockercfg');
    return legacy === undefined ? {} : (JSON.parse(legacy) as Record<string, DockerAuth>);
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function authConfig(serverAddress: string, auth: DockerAuth): AuthConfig {
  const [username, ...password] = Buffer.from(auth.auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  return {
    serverAddress,
    username: auth.username ?? username,
    password: auth.password ?? password.join(':'),
    ...(auth.identitytoken !== undefined && { identityToken: auth.identitytoken }),
    ...(auth.registrytoken !== undefined && { registryToken: auth.registrytoken }),
  };
}

/** `https://registry.example.com/team` covers every image below it; `*` stands for one part of the host's name. */
function matches(pattern: string, name: string): boolean {
  const plain = pattern.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  const [host = '', ...path] = (plain === 'index.docker.io' ? 'docker.io' : plain).split('/');
  const [nameHost = '', ...namePath] = name.split('/');
  const wanted = host.split('.');
  const actual = nameHost.split('.');
  if (wanted.length !== actual.length) return false;
  if (!wanted.every((part, index) => part === '*' || part === actual[index])) return false;
  return path.every((part, index) => namePath[index]?.split(/[:@]/)[0] === part);
}
