/**
 * Writes under load until it is killed, and prints each acknowledged write on stdout, one per line:
 * `put|delete KEY REVISION CONTENT`, and `compacted` when the data file was rewritten. Arguments: directory, life, writers.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { crashValue } from './crash-value.ts';

const [path = '', life = '0', writers = '16'] = process.argv.slice(2);
const silent = (): void => undefined;
const info = (_fields: object, message: string): void => {
  if (message === 'store file compacted') writeSync(1, 'compacted\n');
};
const store = await openEmbeddedStore({
  path,
  compaction: { keepRevisions: 30 },
  fileCompaction: { fromBytes: 1, maxUse: 0.9 },
  logger: { debug: silent, info, warn: silent, error: silent },
});

await Promise.all(
  Array.from({ length: Number(writers) }, async (_, writer) => {
    for (let i = 0; ; i++) {
      const key = `/crash/${writer}/${i % 5}`;
      if (i % 7 === 6) {
        const revision = await store.delete(key);
        writeSync(1, `delete ${key} ${revision} -\n`);
      } else {
        const name = `${life}.${writer}.${i}`;
        const revision = await store.put(key, crashValue(name));
        writeSync(1, `put ${key} ${revision} ${name}\n`);
      }
    }
  }),
);
