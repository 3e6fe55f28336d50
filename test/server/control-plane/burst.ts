/** A program that allocates memory, frees most of it, and then idles until it is killed. */
import { collectWhenIdle } from '../../../control-plane/idle-collection.ts';

collectWhenIdle(new AbortController().signal);

const OBJECTS = 20_000;
/** Too large for Node's pool, too small for its own mapping: blocks of the C library's heap. */
const BYTES = 9_000;
const KEPT_OF = 50;

let burst = Array.from({ length: OBJECTS }, (_, index) => ({ index, bytes: Buffer.alloc(BYTES, 1) }));
const resident = process.memoryUsage.rss();
// Pages between the remaining blocks are free, but held by the C library.
burst = burst.filter(({ index }) => index % KEPT_OF === 0);
process.send?.({ resident });
process.on('disconnect', () => process.exit());
process.on('message', () => process.send?.({ kept: burst.length }));
