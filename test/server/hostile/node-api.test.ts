import t from 'tap';
import { attack } from './attack.ts';
import { AttackedProcess } from './attacked-process.ts';
import { NODE_API_ROWS } from './rows/node-api.ts';

let server = await AttackedProcess.nodeApi();
t.teardown(() => server[Symbol.asyncDispose]());

/** The server; a new one when the last row has crashed it. */
async function standing(): Promise<AttackedProcess> {
  if (server.alive) return server;
  await server[Symbol.asyncDispose]();
  server = await AttackedProcess.nodeApi();
  return server;
}

for (const [subject, rows] of Object.entries(NODE_API_ROWS)) {
  t.test(`node API responses to hostile requests: ${subject}`, async (t) => {
    await attack(t, standing, rows);
  });
}
