/** Caches of what was made of texts hold so many characters, whoever chooses the texts. */
import t from 'tap';
import { TextCache } from '../../../api/machinery/text-cache.ts';
import { podTerms } from '../../../control-plane/scheduler/framework/pod-terms.ts';

/** How often something was made. */
function counting(): { readonly make: (text: string) => object; readonly made: () => number } {
  let count = 0;
  return { make: (text) => ({ text, count: ++count }), made: () => count };
}

t.test('what was made of a text is kept, of a long one it is not', async (t) => {
  const cache = new TextCache<object>({ maxTextChars: 10, maxChars: 1000 });
  const { make, made } = counting();
  t.equal(cache.get('short', make), cache.get('short', make));
  t.equal(made(), 1);
  t.not(cache.get('longer than ten', make), cache.get('longer than ten', make));
});

t.test('all are forgotten when their texts are too long together', async (t) => {
  const cache = new TextCache<object>({ maxTextChars: 10, maxChars: 1000 });
  const { make, made } = counting();
  const first = cache.get('first', make);
  for (let index = 0; index < 100; index++) cache.get(`other ${index}`, make);
  t.not(cache.get('first', make), first);
  t.equal(made(), 102);
});

t.test('terms of affinity of a megabyte are not kept', async (t) => {
  const affinity = (length: number) => ({
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'k'.repeat(length) }] },
  });
  t.equal(podTerms(affinity(10), 'ns'), podTerms(affinity(10), 'ns'));
  t.not(podTerms(affinity(1_000_000), 'ns'), podTerms(affinity(1_000_000), 'ns'));
});
