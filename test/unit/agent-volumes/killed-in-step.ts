/** An agent that is killed in the middle of a step: `node killed-in-step.ts ROOT STEP`. */
import { podOf, sharedVolume, volumeOf, type Step } from './shared-volume.ts';

const [root = '', fatal = ''] = process.argv.slice(2);
const { runner } = sharedVolume({
  root,
  half: (step: Step) => {
    if (step === fatal) process.kill(process.pid, 'SIGKILL');
  },
});
const { signal } = new AbortController();
const at = { helper: async () => [], mounted: new Set<string>(), signal };
await runner.publish(podOf('killed', '/export'), volumeOf('/export'), undefined, at);
await runner.unpublish('killed', at);
