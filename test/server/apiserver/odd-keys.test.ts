/** Keys that every plain object inherits, in every place where clients choose names. */
import t from 'tap';
import { expandSubPath } from '../../../agent/volumes/container-mounts.ts';
import { podField } from '../../../agent/volumes/written/downward-values.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { own, setOwn } from '../../../api/machinery/own.ts';
import { applyMergePatch } from '../../../api/machinery/patch/merge.ts';
import { applyJsonPatch } from '../../../api/machinery/patch/json.ts';
import { applyStrategicPatch } from '../../../api/machinery/patch/strategic.ts';
import { parseLabelSelector, selectorFrom } from '../../../api/machinery/selectors.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { matchesTerm } from '../../../api/domain/node-selector.ts';
import { takeOver } from '../../../control-plane/apiserver/admission/mutated-object.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { matchesLabels } from '../../../control-plane/controllers/caches/pod-view.ts';
import { CONFIG_MAPS, pod, PODS, TestServer } from './server.ts';

const KEYS = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', 'isPrototypeOf'];
/** Those that are valid names of labels and annotations. */
const NAMES = KEYS.filter((key) => key !== '__proto__');
const json = (value: string): unknown => JSON.parse(value);

t.test('own() returns own properties only', async (t) => {
  for (const key of KEYS) {
    t.equal(own({}, key), undefined, key);
    const object: Record<string, string> = {};
    setOwn(object, key, 'mine');
    t.equal(own(object, key), 'mine', key);
    t.equal(Object.getPrototypeOf(object), Object.prototype, key);
    t.equal(JSON.stringify(object), `{"${key}":"mine"}`);
  }
});

t.test('a ConfigMap keeps any key through create, update and patch', async (t) => {
  await using server = await TestServer.start();
  for (const [index, key] of KEYS.entries()) {
    const target = `${CONFIG_MAPS}/m${index}`;
    const dataOf = async () => JSON.stringify((await server.call('GET', target)).body.data);
    const create = `{"metadata":{"name":"m${index}"},"data":{"${key}":"1"}}`;
    t.equal((await server.call('POST', CONFIG_MAPS, { body: create })).status, 201, key);
    t.equal(await dataOf(), `{"${key}":"1"}`, key);
    const changes: readonly (readonly [type: string, body: string])[] = [
      ['application/merge-patch+json', `{"data":{"${key}":"2"}}`],
      ['application/strategic-merge-patch+json', `{"data":{"${key}":"3"}}`],
      ['application/json-patch+json', `[{"op":"replace","path":"/data/${key}","value":"4"}]`],
      ['application/json-patch+json', `[{"op":"add","path":"/data/${key}","value":"5"}]`],
    ];
    for (const [at, [type, body]] of changes.entries()) {
      t.equal((await server.call('PATCH', target, { body, type })).status, 200, `${type} ${key}`);
      t.equal(await dataOf(), `{"${key}":"${at + 2}"}`, `${type} ${key}`);
    }
    const removal = { type: 'application/merge-patch+json', body: `{"data":{"${key}":null,"k":"v"}}` };
    t.equal((await server.call('PATCH', target, removal)).status, 200);
    t.equal(await dataOf(), '{"k":"v"}', key);
  }
});

t.test('what a webhook makes of an object keeps such keys', async (t) => {
  for (const key of KEYS) {
    const object: KubeObject = { metadata: { name: 'x' } };
    const result = json(`{"metadata":{"name":"x"},"${key}":{"spec":"inherited"}}`) as KubeObject;
    const request = { operation: 'UPDATE', subresource: '' } as AdmissionRequest;
    takeOver(request, object, result);
    t.equal(Object.getPrototypeOf(object), Object.prototype, key);
    t.equal(JSON.stringify(object), `{"metadata":{"name":"x"},"${key}":{"spec":"inherited"}}`);
  }
});

t.test('labels, annotations and selectors accept such keys', async (t) => {
  await using server = await TestServer.start();
  for (const [index, key] of NAMES.entries()) {
    const named = { labels: { [key]: 'yes' }, annotations: { [key]: 'yes' } };
    const { status } = await server.call('POST', PODS, {
      body: pod(`p${index}`, { nodeSelector: { [key]: 'a' } }, named),
    });
    t.equal(status, 201, key);
  }
  await server.call('POST', PODS, { body: pod('plain') });
  const names = async (selector: string): Promise<unknown[]> => {
    const { body } = await server.call('GET', `${PODS}?labelSelector=${encodeURIComponent(selector)}`);
    return (body.items ?? []).map(({ metadata }) => metadata?.name);
  };
  for (const [index, key] of NAMES.entries()) {
    t.strictSame(await names(key), [`p${index}`], key);
    t.strictSame(await names(`${key}=yes`), [`p${index}`], key);
    t.notOk((await names(`!${key}`)).includes(`p${index}`), key);
    t.ok((await names(`!${key}`)).includes('plain'), key);
    t.notOk(selectorFrom({ matchExpressions: [{ key, operator: 'Exists' }] }).matches({}), key);
    t.notOk(parseLabelSelector(key).matches({}), key);
    t.notOk(matchesLabels({ [key]: 'x' }, {}), key);
    const term = (operator: 'Exists' | 'DoesNotExist') => ({ matchExpressions: [{ key, operator }] });
    t.notOk(matchesTerm(term('Exists'), { name: 'n', labels: {} }), key);
    t.ok(matchesTerm(term('DoesNotExist'), { name: 'n', labels: {} }), key);
  }
  // None is a value that upstream defines, and none may cause a server error.
  for (const key of KEYS) {
    for (const [what, body] of [
      ['resource', pod('q', { containers: [{ name: 'c', image: 'x', resources: { limits: { [key]: '1' } } }] })],
      [
        'operator',
        pod('q', {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: key }] }],
              },
            },
          },
        }),
      ],
      ['restart policy', pod('q', { restartPolicy: key })],
      [
        'environment',
        pod('q', {
          containers: [{ name: 'c', image: 'x', env: [{ name: 'a', valueFrom: { fieldRef: { fieldPath: key } } }] }],
        }),
      ],
    ] as const) {
      const { status } = await server.call('POST', PODS, { body });
      t.ok(status === 422 || status === 400, `${what} ${key}: ${status}`);
    }
    for (const target of [
      `/api/v1/${key}`,
      `/apis/${key}/v1/pods`,
      `${PODS}/p0/${key}`,
      `${PODS}/${key}`,
      `/${key}`,
      `/api/${key}`,
    ]) {
      t.equal((await server.call('GET', target)).status, 404, target);
    }
    t.equal((await server.call('PATCH', `${PODS}/p0`, { body: '{}', type: key })).status, 415, key);
    t.equal((await server.call('GET', `${PODS}?fieldSelector=${key}%3Da`)).status, 400, key);
  }
});

t.test("patches cannot change an object's prototype", async (t) => {
  const attack = json('{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}');
  const target = () => ({ metadata: { name: 'm' }, data: { k: 'v' } });
  const results = [
    applyMergePatch(target(), attack),
    applyStrategicPatch(target(), attack, configMaps.schema),
    applyJsonPatch(target(), [{ op: 'add', path: '/__proto__', value: { polluted: 'yes' } }]),
  ];
  for (const result of results) {
    t.equal(Object.getPrototypeOf(result), Object.prototype);
    t.equal((result as { polluted?: unknown }).polluted, undefined);
  }
  t.equal(({} as { polluted?: unknown }).polluted, undefined);
  for (const path of ['/constructor/prototype/polluted', '/__proto__/polluted']) {
    t.throws(() => applyJsonPatch(target(), [{ op: 'add', path, value: 'yes' }]), { code: 422 }, path);
  }
});

t.test('the agent finds none of these keys where they are not set', async (t) => {
  for (const key of KEYS) {
    t.throws(() => expandSubPath(`$(${key})`, {}), { message: `missing value for ${key}` });
    t.equal(podField({ metadata: { annotations: {} } }, `metadata.annotations['${key}']`), '');
  }
});
