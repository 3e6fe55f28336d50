/** Kubeconfig files: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KEY_MODE, readIfThere, writeAtomically, type KeyPair } from './pem-files.ts';

export interface KubeconfigOptions {
  /** `https://HOST:6443` */
  readonly server: string;
  /** The cluster's CA, PEM. */
  readonly caCertificate: string;
  readonly user: string;
  readonly credentials: KeyPair | { readonly token: string };
  readonly cluster?: string;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
/** A JSON string is a YAML scalar. */
const quoted = (text: string): string => JSON.stringify(text);

/** Serializes a kubeconfig with one cluster, one user and one context. */
export function kubeconfig({ server, caCertificate, user, credentials, cluster = 'kedge' }: KubeconfigOptions): string {
  const userLines =
    'token' in credentials
      ? [`    token: ${quoted(credentials.token)}`]
      : [
          `    client-certificate-data: ${base64(credentials.certificate)}`,
          `    client-key-data: ${base64(credentials.key)}`,
        ];
  return `${[
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${quoted(cluster)}`,
    '  cluster:',
    `    certificate-authority-data: ${base64(caCertificate)}`,
    `    server: ${quoted(server)}`,
    'users:',
    `- name: ${quoted(user)}`,
    '  user:',
    ...userLines,
    'contexts:',
    `- name: ${quoted(`${user}@${cluster}`)}`,
    '  context:',
    `    cluster: ${quoted(cluster)}`,
    `    user: ${quoted(user)}`,
    `current-context: ${quoted(`${user}@${cluster}`)}`,
  ].join('\n')}\n`;
}

/** The server of a kubeconfig that this file has serialized; undefined of others. */
export function serverInKubeconfig(text: string): string | undefined {
  const [, scalar] = /^ {4}server: ("[^"\\\n]*")$/m.exec(text) ?? [];
  return scalar === undefined ? undefined : (JSON.parse(scalar) as string);
}

/** Serializes a kubeconfig without users, as in kubeadm's cluster-info ConfigMap. */
export const clusterKubeconfig = (server: string, caCertificate: string): string =>
  `${[
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    '- name: ""',
    '  cluster:',
    `    certificate-authority-data: ${base64(caCertificate)}`,
    `    server: ${quoted(server)}`,
    'users: []',
    'contexts: []',
    'current-context: ""',
  ].join('\n')}\n`;

/** Writes the kubeconfig, readable by its owner only, unless the file has this content already. */
export async function writeKubeconfig(path: string, options: KubeconfigOptions): Promise<void> {
  const text = kubeconfig(options);
  if ((await readIfThere(path)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, text, KEY_MODE);
}
