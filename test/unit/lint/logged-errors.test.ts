import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import loggedErrors from '../../../eslint/logged-errors.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });

tester.run('logged-errors', loggedErrors, {
  valid: [
    { name: 'the error itself', code: "logger.warn({ err: error, pod }, 'failed');" },
    { name: 'a message that is no error', code: 'respond({ message: error.message });' },
  ],
  invalid: [
    { name: 'its message', code: "logger.warn({ err: error.message }, 'failed');", errors: 1 },
    { name: 'its message, cast', code: "logger.warn({ err: (error as Error).message }, 'failed');", errors: 1 },
    { name: 'its stack', code: "logger.warn({ err: error.stack }, 'failed');", errors: 1 },
    { name: 'a sentence', code: "logger.warn({ err: `not ${wanted}` }, 'failed');", errors: 1 },
  ],
});
