import { runVolumeHelper } from '../../../agent/host/volume-helper/main.ts';

await runVolumeHelper();
