import { Command } from 'commander';
import { kedgeVersion, kubernetesVersion } from '../api/version.ts';
import { print } from './output.ts';

const VERSION = `kedge ${kedgeVersion} (Kubernetes API ${kubernetesVersion.gitVersion}, Node.js ${process.version})`;

/** `kedge --version`. */
export const withVersion = (program: Command): Command =>
  program.version(VERSION, '-V, --version', 'print the version');

/** `kedge version`. */
export const versionCommand = (): Command =>
  new Command('version').description('print the version').action(() => {
    print(VERSION);
  });
