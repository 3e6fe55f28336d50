import { join } from 'node:path';
import { test } from 'tap';

test('in a network namespace of its own', (t) =>
  t.spawn('unshare', ['--net', process.execPath, join(import.meta.dirname, 'network-inside.ts')]));
