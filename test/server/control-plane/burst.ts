/** A program that takes memory, lets go of most of it, and then is quiet until it is ended. */
import { collectWhenIdle } from '../../../control-plane/idle-collection.ts';

collectWhenIdle(new AbortController().signal);

const OBJECTS = 20_000;
/** Too large for a pool of Node's, too small for a mapping of its own: blocks of the C library's heap. */
const BYTES = 9_000;
const KEPT_OF = 50;

let burst = Array.from({ length: OBJECTS }, (_, index) => ({ index, bytes: Buffer.alloc(BYTES, 1) }));
const resident = process.memoryUsage.rss();
// Between those that stay, the pages of the others are free and the C library's.
burst = burst.filter(({ index }) => index % KEPT_OF === 0);
process.send?.({ resident });
process.on('disconnect', () => process.exit());
process.on('message', () => process.send?.({ kept: burst.length }));
