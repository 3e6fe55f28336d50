import t from 'tap';
import { discoverKind } from '../../../control-plane/controllers/framework/scale-resource.ts';
import { unclassified } from '../../../api/machinery/status-error.ts';

t.test('an apiVersion of a reference is looked up as it is, and never leads elsewhere', async (t) => {
  const asked: string[] = [];
  const client = {
    request: (_: string, path: string) => {
      asked.push(path);
      const resources = [
        { name: 'webs', kind: 'Web', namespaced: true },
        { name: 'webs/scale', kind: 'Scale', namespaced: true },
      ];
      return Promise.resolve({ body: JSON.stringify({ resources }), contentType: 'application/json' });
    },
  };
  const find = (apiVersion: string) =>
    discoverKind({ apiVersion, kind: 'Web' }, { client: client as never, signal: AbortSignal.timeout(5_000) });
  t.match(await find('example.com/v1'), {
    resource: { group: 'example.com', version: 'v1', plural: 'webs', namespaced: true },
    isScalable: true,
  });
  t.match(await find('v1'), { resource: { group: '', version: 'v1' } });
  t.strictSame(asked.splice(0), ['/apis/example.com/v1', '/api/v1']);
  for (const apiVersion of ['..', '../metrics', 'example.com/..', './v1', 'a%2fb/v1'])
    t.equal(await find(apiVersion), undefined, apiVersion);
  t.strictSame(asked, [], 'nothing was asked for these');
  const failing = { request: () => Promise.reject(unclassified('down')) };
  await t.rejects(
    discoverKind(
      { apiVersion: 'example.com/v1', kind: 'Web' },
      { client: failing, signal: AbortSignal.timeout(5_000) },
    ),
    /down/,
  );
});
