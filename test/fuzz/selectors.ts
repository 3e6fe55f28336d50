/** Label and field selectors against a model that evaluates what was generated, not what was parsed. */
import {
  formatSelector,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
  selectorFrom,
  type Labels,
} from '../../api/machinery/selectors.ts';
import { check, only, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

const KEYS = ['a', 'in', 'notin', 'example.com/b', 'A_b-c', 'exists'];
const VALUES = ['', 'x', 'in', 'notin', '1', '-5', '007', 'a.b_c-d', '99999999999999999999'];
const LABEL_VALUES = ['', 'x', '1', '-5', '7', 'a.b_c-d'];

interface Generated {
  readonly text: string;
  readonly holds: (labels: Map<string, string>) => boolean;
}

function requirement(random: Random): Generated {
  const key = random.pick(KEYS);
  const space = (): string => random.text(' ', 3);
  const value = random.pick(VALUES.filter((one) => !one.startsWith('-')));
  switch (random.below(7)) {
    case 0:
      return { text: key, holds: (labels) => labels.has(key) };
    case 1:
      return { text: `!${space()}${key}`, holds: (labels) => !labels.has(key) };
    case 2:
      return {
        text: `${key}${space()}${random.pick(['=', '=='])}${space()}${value}`,
        holds: (labels) => labels.get(key) === value,
      };
    case 3:
      return { text: `${key}${space()}!=${space()}${value}`, holds: (labels) => labels.get(key) !== value };
    case 4: {
      const bound = random.below(12);
      const isMore = random.chance(2);
      const isMet = (given: string | undefined): boolean =>
        given !== undefined && /^-?[0-9]+$/.test(given) && (isMore ? BigInt(given) > bound : BigInt(given) < bound);
      return {
        text: `${key}${space()}${isMore ? '>' : '<'}${space()}${bound}`,
        holds: (labels) => isMet(labels.get(key)),
      };
    }
    default: {
      const isIn = random.chance(2);
      const values = [
        value,
        ...random.times(random.chance(8) ? 40 : 3, () =>
          random.pick(LABEL_VALUES.filter((one) => !one.startsWith('-'))),
        ),
      ];
      const list = values.join(`${space()},${space()}`);
      const has = (labels: Map<string, string>): boolean => values.includes(labels.get(key) ?? '\0');
      return {
        text: `${key} ${space()}${isIn ? 'in' : 'notin'}${space()}(${space()}${list}${space()})`,
        holds: (labels) => has(labels) === isIn,
      };
    }
  }
}

function labelsOf(random: Random): Map<string, string> {
  return new Map(random.times(5, () => [random.pick(KEYS), random.pick(LABEL_VALUES)]));
}

const GARBAGE = 'ab/.=!<>(), inot-_1\t\n\\"é';

export const selectors: Fuzzer = {
  name: 'selectors',
  cases: 1500,
  run(random) {
    const parts = [requirement(random), ...random.times(3, () => requirement(random))];
    const text = parts.map((part) => part.text).join(random.pick([',', ' , ', ', ']));
    const selector = parseLabelSelector(text);
    const again = parseLabelSelector(formatSelector(selector));
    for (let count = 0; count < 4; count++) {
      const labels = labelsOf(random);
      const expected = parts.every(({ holds }) => holds(labels));
      const given: Labels = Object.fromEntries(labels);
      check(selector.matches(given) === expected, 'what a selector selects', text, given);
      check(
        again.matches(given) === expected,
        'what it selects once it was written',
        text,
        formatSelector(selector),
        given,
      );
    }
    const garbage = random.text(GARBAGE, random.chance(50) ? 5000 : 14);
    const parsed = only([SelectorError], () => parseLabelSelector(garbage));
    if (parsed) {
      const shown = formatSelector(parsed);
      check(
        formatSelector(parseLabelSelector(shown)) === shown,
        'a selector that is written and parsed',
        garbage,
        shown,
      );
    }
    only([SelectorError], () => parseFieldSelector(garbage));
    const object = {
      matchLabels: { [random.key()]: 'x' },
      matchExpressions: [
        { key: random.key(), operator: random.pick(['In', 'NotIn', 'Exists', 'DoesNotExist', 'x']), values: ['x'] },
      ],
    };
    only([SelectorError], () => selectorFrom(object).matches(Object.fromEntries(labelsOf(random))));
  },
};
