/** All of the rows, and how one is sent. */
import type { Answer, TestServer } from '../server.ts';
import { BODIES } from './bodies.ts';
import { OPTIONS } from './options.ts';
import { PATCHES } from './patches.ts';
import { ROUTES } from './routes.ts';
import { JSON_TYPE, type Row } from './row.ts';

export const ROWS: readonly Row[] = [...OPTIONS, ...BODIES, ...PATCHES, ...ROUTES];

export const ask = (server: TestServer, [method, target, sent]: Row): Promise<Answer> => {
  const { body, type = JSON_TYPE, headers } = sent;
  return server.call(method, target, {
    body,
    type,
    ...(headers && { headers }),
    accept: headers?.['accept'] ?? JSON_TYPE,
  });
};
