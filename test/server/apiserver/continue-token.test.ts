import t from 'tap';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

const encode = (token: unknown): string => Buffer.from(JSON.stringify(token)).toString('base64url');
const V1 = 'meta.k8s.io/v1';

t.test('a forged continue token cannot reach outside of the listed resource', async (t) => {
  await using server = await TestServer.start();
  const other = CONFIG_MAPS.replace('default', 'zoo');
  for (const [target, name] of [
    ['/api/v1/namespaces/aaa/configmaps', 'before'],
    [CONFIG_MAPS, 'mine'],
    [other, 'after'],
  ] as const) {
    t.equal((await server.call('POST', target, { body: configMap(name) })).status, 201);
  }
  const newest = server.core.registry.revision;
  // With later changes, a list at that revision is read from the history.
  for (const revision of [-1, newest, newest - 1]) {
    if (revision === newest - 1) await server.call('POST', other, { body: configMap('later') });
    for (const start of ['!', '\0', 'a', 'zoo', '0', 'zoo/a', '~']) {
      const token = encode({ v: V1, rv: revision, start });
      const { status, body } = await server.call('GET', `${CONFIG_MAPS}?continue=${token}`);
      t.equal(status, 200, `${revision} ${JSON.stringify(start)}`);
      t.ok(
        (body.items ?? []).every(({ metadata }) => metadata?.name === 'mine'),
        `${revision} ${JSON.stringify(start)}`,
      );
    }
  }
});

t.test('invalid continue tokens are rejected', async (t) => {
  await using server = await TestServer.start();
  const cases: readonly (readonly [token: string, why: RegExp])[] = [
    ['!!!', /^invalid continue token: continue key is not valid: illegal base64 data at input byte 0$/],
    [Buffer.from('x').toString('base64'), /illegal base64 data/],
    [Buffer.from('nothing').toString('base64url'), /^invalid continue token: continue key is not valid: /],
    [encode(null), /continue key is not valid/],
    [encode([]), /continue key is not valid/],
    [encode({ rv: 1, start: 'a' }), /server does not recognize this encoded version/],
    [encode({ v: 'meta.k8s.io/v2', rv: 1, start: 'a' }), /server does not recognize this encoded version/],
    [encode({ v: V1, rv: 0, start: 'a' }), /incorrect encoded start resourceVersion \(version meta\.k8s\.io\/v1\)$/],
    [encode({ v: V1, rv: 1e15, start: 'a' }), /incorrect encoded start resourceVersion/],
    [encode({ v: V1, rv: 1.5, start: 'a' }), /incorrect encoded start resourceVersion/],
    [encode({ v: V1, rv: '1', start: 'a' }), /incorrect encoded start resourceVersion/],
    [encode({ v: V1, rv: -1, start: '' }), /encoded start key empty \(version meta\.k8s\.io\/v1\)$/],
    [encode({ v: V1, rv: -1 }), /encoded start key empty/],
    [encode({ v: V1, rv: -1, start: '../zoo/a' }), /continue key is not valid: \.\.\/zoo\/a$/],
    [encode({ v: V1, rv: -1, start: 'a/../../zoo' }), /continue key is not valid: /],
    [encode({ v: V1, rv: -1, start: 'a//b' }), /continue key is not valid: /],
    [encode({ v: V1, rv: -1, start: './a' }), /continue key is not valid: /],
  ];
  for (const [token, why] of cases) {
    const { body } = await server.call('GET', `${CONFIG_MAPS}?continue=${encodeURIComponent(token)}`);
    t.match(body, { code: 400, reason: 'BadRequest', message: why }, Buffer.from(token, 'base64url').toString());
  }
});

t.test('pages of one namespace and of all namespaces are complete, at the latest and at past revisions', async (t) => {
  await using server = await TestServer.start();
  const homes = ['a', 'b', 'b-c'];
  for (const home of homes) {
    for (const name of ['one', 'two', 'two.three']) {
      await server.call('POST', `/api/v1/namespaces/${home}/configmaps`, { body: configMap(name) });
    }
  }
  const walk = async (target: string, between: () => Promise<unknown>): Promise<unknown[]> => {
    const seen: unknown[] = [];
    let token = '';
    do {
      const { body } = await server.call('GET', `${target}?limit=2&continue=${token}`);
      seen.push(
        ...(body.items ?? []).map(({ metadata }) => `${String(metadata?.namespace)}/${String(metadata?.name)}`),
      );
      token = (body.metadata?.continue as string | undefined) ?? '';
      await between();
    } while (token !== '');
    return seen;
  };
  let more = 0;
  const change = () => server.call('POST', '/api/v1/namespaces/b/configmaps', { body: configMap(`z${more++}`) });
  const inHome = (home: string) => ['one', 'two', 'two.three'].map((name) => `${home}/${name}`);
  for (const between of [() => Promise.resolve(), change]) {
    const all = (await walk('/api/v1/configmaps', between)).filter((key) => !String(key).includes('/z'));
    t.strictSame(all, ['a', 'b-c', 'b'].flatMap(inHome));
    const one = (await walk('/api/v1/namespaces/b/configmaps', between)).filter((key) => !String(key).includes('/z'));
    t.strictSame(one, inHome('b'));
  }
});
