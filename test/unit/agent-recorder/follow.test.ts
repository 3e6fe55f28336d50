/** Following the recorder while it writes. */
import t from 'tap';
import { followChanges } from '../../../agent/recorder/follow.ts';
import { RecordReader } from '../../../agent/recorder/read-records.ts';
import { Recorder } from '../../../agent/recorder/recorder.ts';
import { report } from '../../../agent/recorder/report.ts';
import { recorderDirectory } from '../../../agent/recorder/segments.ts';
import { eventually } from '../../support/wait.ts';

const nothing = (): void => undefined;
const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

t.test('each record is seen once, soon after it was made, until the signal is aborted', async (t) => {
  const dataDir = t.testdir({});
  await using held = new AsyncDisposableStack();
  held.use(await Recorder.open({ dataDir, totalBytes: 256 * 1024, logger }));
  report({ kind: 'seen', what: 'before' });
  const directory = recorderDirectory(dataDir);
  const reader = new RecordReader(directory);
  await eventually(
    'the first record',
    async () => (await Array.fromAsync(new RecordReader(directory).read())).length > 1,
  );
  const stop = new AbortController();
  const seen: string[] = [];
  const look = async (): Promise<void> => {
    for await (const { record } of reader.read()) if (record.kind === 'seen') seen.push(record.what);
  };
  const followed = followChanges(directory, look, stop.signal);
  await eventually('what was there', () => seen.length === 1);
  // Enough for several segments.
  const wanted = Array.from({ length: 300 }, (_, i) => `${i} ${'x'.repeat(300)}`);
  for (const what of wanted) report({ kind: 'seen', what });
  await eventually('all of them', () => seen.length > wanted.length);
  t.strictSame(seen, ['before', ...wanted]);
  stop.abort();
  await t.rejects(followed, { name: 'AbortError' });
  await t.rejects(followChanges(`${directory}-absent`, look, new AbortController().signal), { code: 'ENOENT' });
});
