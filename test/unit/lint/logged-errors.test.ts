import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import loggedErrors from '../../../eslint/logged-errors.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });

const invalid = (name: string, code: string, errors = 1) => ({ name, code, errors });

tester.run('logged-errors', loggedErrors, {
  valid: [
    { name: 'the error itself', code: "logger.warn({ err: error, pod }, 'failed');" },
    { name: 'the error itself, cast', code: "this.#logger.warn({ err: error as Error }, 'failed');" },
    { name: 'a message that is no error', code: 'respond({ message: error.message });' },
    { name: 'a message of something else', code: "logger.info({ message: verdict.message }, 'pod rejected');" },
    { name: 'what something is about', code: 'logger.error({ err: error }, `failed to ${what}`);' },
    { name: 'the answer of the API', code: "logger.info({ status: error.status }, 'refused');" },
    { name: 'a string of something else', code: "logger.info({ code: String(code) }, 'exited');" },
    { name: 'a condition on the message', code: "if (error.message !== last) logger.warn({ err: error }, 'failed');" },
    { name: 'a text that is not logged', code: "const text = error.message; logger.warn({ err: error }, 'failed');" },
    { name: 'a constant of something else', code: "const pod = name; logger.warn({ pod, err: error }, 'failed');" },
    { name: 'what is no logger', code: 'reasons.push(`not responding: ${error.message}`);' },
  ],
  invalid: [
    invalid('its message', "logger.warn({ err: error.message }, 'failed');"),
    invalid('its message, cast', "logger.warn({ err: (error as Error).message }, 'failed');"),
    invalid('its message, made a string', "logger.warn({ err: error.message as string }, 'failed');"),
    invalid('its stack', "logger.warn({ err: error.stack }, 'failed');"),
    invalid('a sentence', "logger.warn({ err: `not ${wanted}` }, 'failed');"),
    invalid('a sentence made of parts', "logger.warn({ err: 'not ' + wanted }, 'failed');"),
    invalid('its text in err elsewhere', 'const fields = { err: String(error) };'),
    invalid('its message in another field', "logger.warn({ pod, reason: error.message }, 'failed');"),
    invalid('its message in a field of another name', "this.#options.logger.warn({ why: err.message }, 'failed');"),
    invalid('a message that was thrown', "logger.warn({ why: outcome.reason.message }, 'failed');"),
    invalid('a message of what may be missing', "logger?.warn({ why: cause?.message }, 'failed');"),
    invalid('it as a string', "logger.warn({ reason: String(error) }, 'failed');"),
    invalid('it as a string of its own', "logger.warn({ reason: error.toString() }, 'failed');"),
    invalid('it in a template', 'logger.warn({ pod }, `failed: ${error}`);'),
    invalid('its message in a template', 'logger.error({ pod }, `failed: ${(error as Error).message}`);'),
    invalid('its message as the message', 'logger.error({ err: cause }, error.message);'),
    invalid('its message at the end', "logger.error({ pod }, 'failed: ' + error.message);"),
    invalid(
      'either text',
      "logger.warn({ why: error instanceof Error ? error.message : String(error) }, 'failed');",
      2,
    ),
    invalid('one of several', "logger.warn({ ...fields, nested: { list: [error.message] } }, 'failed');"),
    invalid('a level that is computed', "logger[isFirst ? 'warn' : 'debug']({ why: error.message }, 'failed');"),
    invalid('a constant that holds it', "const why = error.message; logger.warn({ why }, 'failed');"),
    invalid('the fields of an outage', "this.#outage.failed(error, { why: error.message }, 'failed');"),
    invalid('the fields of a failure', "logFailure(logger, error, { why: error.message }, 'failed');"),
  ],
});
