/** Malformed and hostile requests by table: each gets the Status that upstream's server answers with. */
import t from 'tap';
import { ask, ROWS } from './hostile-rows/index.ts';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

t.test('malformed and hostile requests get the right Status', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  t.ok(ROWS.length >= 200, `${ROWS.length} requests`);
  for (const row of ROWS) {
    const [method, target, { body: sent }, code, reason, message] = row;
    const { status, body } = await ask(server, row);
    const title = `${method} ${target.slice(0, 120)} ${JSON.stringify(sent)?.slice(0, 80) ?? ''}`;
    if (code === 201) {
      t.equal(status, code, title);
      await server.call('DELETE', `${CONFIG_MAPS}/b`);
      continue;
    }
    t.match({ status, ...body }, { status: 'Failure', kind: 'Status', apiVersion: 'v1', code, message }, title);
    t.strictSame([status, body['reason'] ?? ''], [code, reason], title);
  }
  const { body } = await server.call('GET', CONFIG_MAPS);
  t.strictSame(
    body.items?.map(({ metadata, ...rest }) => [metadata?.['name'], rest['data']]),
    [['a', { k: 'v' }]],
    'nothing was written',
  );
});

t.test('paths of no API get a plain 404', async (t) => {
  await using server = await TestServer.start();
  const paths = [
    '/api/v2',
    '/apis/no.example.com',
    '/apis/no.example.com/v1/x',
    '/openapi/v3/apis/no/v1',
    '/%00',
    '/x',
  ];
  for (const path of paths) {
    const { status, text } = await server.call('GET', path);
    t.strictSame([status, text.trim()], [404, '404 page not found'], path);
  }
});
