import { RuleTester } from 'eslint';
import t from 'tap';
import tseslint from 'typescript-eslint';
import deadlines from '../../../eslint/deadlines.js';

RuleTester.describe = (_name: string, cases: () => void) => cases();
RuleTester.it = (name: string, check: () => void) => void t.test(name, async () => check());

const tester = new RuleTester({ languageOptions: { parser: tseslint.parser } });
const WITH = "import { withDeadline } from '../../../client/deadline.ts';";

const valid: readonly (readonly [name: string, code: string])[] = [
  ['a call that is raced', `${WITH} import { connect } from 'node:net';`],
  ['a server', "import { createServer } from 'node:http'; import http2 from 'node:http2'; http2.createSecureServer();"],
  ['types', "import type { Socket } from 'node:net'; import { type ChildProcess } from 'node:child_process';"],
  ['an address that is looked at', "import { isIP } from 'node:net';"],
  ['codes of gRPC', "import { status, Metadata } from '@grpc/grpc-js';"],
];

const invalid: readonly (readonly [name: string, code: string])[] = [
  ['a TCP connection', "import { connect } from 'node:net';"],
  ['a TLS connection by another name', "import { connect as dial } from 'node:tls';"],
  ['a request by way of the module', "import http from 'node:http'; http.get('http://x');"],
  ['a request by way of the namespace', "import * as https from 'node:https'; https.request('https://x');"],
  ['a session', "import { connect } from 'node:http2';"],
  ['a child process', "import { execFile } from 'node:child_process';"],
  ['all of the module of child processes', "import * as children from 'node:child_process';"],
  ['a part of undici', "import Pool from 'undici/lib/dispatcher/pool.js';"],
  ['a gRPC channel', "import { Client } from '@grpc/grpc-js';"],
  ['a fetch', 'await fetch("http://x");'],
  ['a signal that is taken for a limit', 'work(AbortSignal.timeout(5));'],
];

tester.run('deadlines', deadlines, {
  valid: valid.map(([name, code]) => ({ name, code })),
  invalid: invalid.map(([name, code]) => ({ name, code, errors: 1 })),
});
