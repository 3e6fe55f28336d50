import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import fixedWaits from '../../../eslint/fixed-waits.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });

const valid: readonly (readonly [name: string, code: string])[] = [
  ['the next turn of the event loop', "import { setImmediate as turn } from 'node:timers/promises'; await turn();"],
  ['a limit', 'const limit = setTimeout(() => child.kill(), 20_000);'],
  ['a limit that rejects', 'new Promise((_, reject) => setTimeout(() => reject(new Error()), 5));'],
  ['what a test is given by name', 't.setTimeout(5);'],
];

const invalid: readonly (readonly [name: string, code: string])[] = [
  ['a promise of a timer', "import { setTimeout } from 'node:timers/promises'; await setTimeout(5);"],
  ['one by another name', "import { setTimeout as sleep } from 'node:timers/promises'; await sleep(5);"],
  ['one by way of the module', "import timers from 'timers/promises'; await timers.setTimeout(5);"],
  ['one of the scheduler', "import { scheduler } from 'node:timers/promises'; await scheduler.wait(5);"],
  ['a promise made by hand', 'await new Promise((resolve) => setTimeout(resolve, 5));'],
  ['one of a function', 'await new Promise(function (done) { setTimeout(done, 5); });'],
];

tester.run('fixed-waits', fixedWaits, {
  valid: valid.map(([name, code]) => ({ name, code })),
  invalid: invalid.map(([name, code]) => ({ name, code, errors: 1 })),
});
