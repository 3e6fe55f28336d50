import t from 'tap';
import { attack } from './attack.ts';
import { AttackedProcess } from './attacked-process.ts';
import { send } from './send.ts';
import { API_SERVER_ROWS } from './rows/api-server.ts';

let server = await AttackedProcess.apiServer();
t.teardown(() => server[Symbol.asyncDispose]());

/** The server; a new one when the last row has crashed it. */
async function standing(): Promise<AttackedProcess> {
  if (server.alive) return server;
  await server[Symbol.asyncDispose]();
  server = await AttackedProcess.apiServer();
  return server;
}

for (const [subject, rows] of Object.entries(API_SERVER_ROWS)) {
  t.test(`api-server responses to hostile requests: ${subject}`, async (t) => {
    await attack(t, standing, rows);
    for (const over of [undefined, 'HTTP/2'] as const) {
      const row = {
        name: 'get',
        request: 'GET /api/v1/namespaces/team/configmaps/settings',
        over,
        expect: { code: 200 },
      };
      t.equal((await send((await standing()).target, row)).code, 200, 'and serves other requests');
    }
  });
}
