/** The tables that the api-server is attacked with, by subject. A new one gets its line here. */
import type { HostileBytes, HostileRequest } from '../table.ts';
import { METHODS } from './methods.ts';
import { PATHS } from './paths.ts';
import { SELECTORS, TOKENS } from './queries.ts';

export const API_SERVER_ROWS: Readonly<Record<string, readonly (HostileRequest | HostileBytes)[]>> = {
  methods: METHODS,
  'paths and their encodings': PATHS,
  'continue tokens, versions and limits': TOKENS,
  selectors: SELECTORS,
};
