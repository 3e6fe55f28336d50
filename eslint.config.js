import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import deadlines from './eslint/deadlines.js';
import fixedWaits from './eslint/fixed-waits.js';
import loggedErrors from './eslint/logged-errors.js';
import ownKeys from './eslint/own-keys.js';
import wallClock from './eslint/wall-clock.js';

/** Imports run one way: api <- client <- daemon <- agent, control-plane, addons <- cli. These three share only the API. */
const mayNotImport = (files, rooms) => ({
  files: files.map((room) => `${room}/**/*.ts`),
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: rooms.map((room) => ({
          regex: `^(\\.\\./)+${room}/`,
          message: `Rooms may not import from ${room}/: see docs/architecture.md.`,
        })),
      },
    ],
  },
});

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', '.tap/', '**/*.gen.ts'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      // A `using` ends what it holds before a promise that is returned has settled; a `catch` does not see it, either.
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
  // Everything else of cli/ prints by what is in there, which takes out what moves the cursor of a terminal.
  { files: ['cli/output.ts', 'scripts/**', 'bench/**', 'test/**'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts'],
    plugins: { kedge: { rules: { 'fixed-waits': fixedWaits } } },
    rules: { '@typescript-eslint/no-floating-promises': 'off', 'kedge/fixed-waits': 'error' },
  },
  { files: ['test/support/wait.ts'], rules: { 'kedge/fixed-waits': 'off' } },
  {
    files: ['api', 'client', 'daemon', 'agent', 'control-plane', 'addons', 'cli', 'proto'].map(
      (room) => `${room}/**/*.ts`,
    ),
    plugins: {
      kedge: { rules: { 'own-keys': ownKeys, 'logged-errors': loggedErrors, deadlines, 'wall-clock': wallClock } },
    },
    rules: {
      'kedge/own-keys': 'error',
      'kedge/logged-errors': 'error',
      'kedge/deadlines': 'error',
      'kedge/wall-clock': 'error',
    },
  },
  { files: ['client/clock.ts'], rules: { 'kedge/wall-clock': 'off' } },
  {
    files: ['api/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name=/^(push|unshift)$/] > SpreadElement',
          message: 'Client input may have more items than fit on the stack: append in a loop, as addErrors does.',
        },
      ],
    },
  },
  {
    // The paths in security-context.ts are masked in containers; the agent does not open them.
    files: ['agent/**/*.ts'],
    ignores: ['agent/host/**', 'agent/pods/containers/security-context.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          'ImportDeclaration[source.value=/^(node:)?child_process$/]',
          'Literal[value=/^\\u002f(proc|sys)(\\u002f|$)/]',
          'TemplateElement[value.raw=/^\\u002f(proc|sys)\\u002f/]',
        ].map((selector) => ({
          selector,
          message: 'Only agent/host/ may run programs and access the kernel: see docs/architecture.md.',
        })),
      ],
    },
  },
  mayNotImport(['api'], ['client', 'daemon', 'agent', 'control-plane', 'addons', 'cli']),
  mayNotImport(['client'], ['daemon', 'agent', 'control-plane', 'addons', 'cli']),
  mayNotImport(['daemon'], ['agent', 'control-plane', 'addons', 'cli']),
  mayNotImport(['agent'], ['control-plane', 'addons', 'cli']),
  mayNotImport(['control-plane'], ['agent', 'addons', 'cli']),
  mayNotImport(['addons'], ['agent', 'control-plane', 'cli']),
);
