import { Command } from 'commander';
import { kedgeVersion, kubernetesVersion } from '../api/version.ts';
import { print } from './output.ts';

/** `kedge version`. */
export const versionCommand = (): Command =>
  new Command('version').description('print the version').action(() => {
    print(`kedge ${kedgeVersion} (Kubernetes API ${kubernetesVersion.gitVersion}, Node.js ${process.version})`);
  });
