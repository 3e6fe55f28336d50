import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import wallClock from '../../../eslint/wall-clock.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });

const valid: readonly (readonly [name: string, code: string])[] = [
  ['a duration by the clock that nobody sets', 'const began = performance.now(); log(performance.now() - began);'],
  ['the time for what others are told', 'status(timeOf(Date.now()));'],
  ['a pure decision at a time', 'const now = Date.now(); plan(pods, now);'],
  [
    'a time that somebody else has stated',
    'const now = Date.now(); tokens.filter(({ expiresAt }) => expiresAt > now);',
  ],
  ['text', "'began at ' + new Date().toISOString();"],
];
const invalid: readonly (readonly [name: string, code: string])[] = [
  ['a duration', 'const began = Date.now(); log(Date.now() - began);'],
  ['a deadline', 'const deadline = Date.now() + 1000;'],
  ['a deadline that is looked at', 'while (Date.now() < deadline) look();'],
  ['an age of what is remembered', 'if (known.until > Date.now()) use(known);'],
  ['the same by a date', 'log(new Date() - began);'],
  ['the same by the time of a date', 'log(new Date().getTime() - began);'],
  ['two readings that have names', 'const began = Date.now(); work(); const ended = Date.now(); log(ended - began);'],
  ['a deadline that moves', 'deadline += Date.now();'],
];

tester.run('wall-clock', wallClock, {
  valid: valid.map(([name, code]) => ({ name, code })),
  invalid: invalid.map(([name, code]) => ({ name, code, errors: 1 })),
});
