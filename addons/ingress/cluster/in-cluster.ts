/** How a pod reaches the api-server: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
import { readFile } from 'node:fs/promises';
import { KubeconfigError } from '../../../client/kubeconfig.ts';
import type { TransportOptions } from '../../../client/transport.ts';

const DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws KubeconfigError outside of a pod. */
export async function inClusterAccess(environment: NodeJS.ProcessEnv): Promise<Omit<TransportOptions, 'userAgent'>> {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) throw new KubeconfigError('this is not a pod with a ServiceAccount: name a kubeconfig');
  try {
    const ca = await readFile(`${DIRECTORY}/ca.crt`, 'utf8');
    const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return { server, ca, tokenFile: `${DIRECTORY}/token` };
  } catch (error) {
    throw new KubeconfigError(`no ServiceAccount in ${DIRECTORY}: ${(error as Error).message}`);
  }
}
