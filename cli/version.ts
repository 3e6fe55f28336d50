import { Command } from 'commander';
import { kedgeVersion, kubernetesVersion } from '../api/version.ts';

/** `kedge version`. */
export const versionCommand = (): Command =>
  new Command('version').description('print the version').action(() => {
    console.log(`kedge ${kedgeVersion} (Kubernetes API ${kubernetesVersion.gitVersion}, Node.js ${process.version})`);
  });
