import { runNfsDirectory } from '../../../agent/host/nfs-directory.ts';

await runNfsDirectory();
