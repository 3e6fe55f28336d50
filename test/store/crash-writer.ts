/**
 * Writes under load until it is killed, and says each acknowledged write on stdout, one line a write:
 * `put|delete KEY REVISION CONTENT`. Arguments: directory, life, writers.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../../control-plane/store/embedded.ts';
import { crashValue } from './crash-value.ts';

const [path = '', life = '0', writers = '16'] = process.argv.slice(2);
const store = await openEmbeddedStore({ path, compaction: { keepRevisions: 300 } });

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
