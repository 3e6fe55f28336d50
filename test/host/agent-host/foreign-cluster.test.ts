import { join } from 'node:path';
import { test } from 'tap';

test('in its own network namespace', (t) =>
  t.spawn('unshare', ['--net', process.execPath, join(import.meta.dirname, 'foreign-cluster-inside.ts')]));
