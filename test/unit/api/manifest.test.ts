import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { readManifest } from '../../../api/machinery/manifest.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const place = (pod: Pod) => {
  if (pod.metadata) pod.metadata.namespace ??= 'default';
};
const read = (text: string) => readManifest(text, pods, place);
const HEAD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\nspec:\n';

t.test('a manifest is parsed as YAML 1.1 with merge keys, decoded, defaulted and prepared', async (t) => {
  const { object, problems } = read(`${HEAD}
  hostNetwork: no
  containers:
  - &base
    name: a
    image: kedge.local/hello:1.0
    resources: {limits: {cpu: 1}}
  - <<: *base
    name: b
  volumes:
  - name: d
    downwardAPI: {defaultMode: 0440, items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
`);
  const { spec } = object;
  t.strictSame(
    spec?.containers?.map(({ name, image, imagePullPolicy, resources }) => [
      name,
      image,
      imagePullPolicy,
      resources?.requests?.cpu,
    ]),
    [
      ['a', 'kedge.local/hello:1.0', 'IfNotPresent', '1'],
      ['b', 'kedge.local/hello:1.0', 'IfNotPresent', '1'],
    ],
  );
  t.equal(spec?.volumes?.[0]?.downwardAPI?.defaultMode, 0o440);
  t.equal(spec?.hostNetwork, undefined);
  t.equal(spec?.restartPolicy, 'Always');
  t.equal(object.status?.phase, 'Pending');
  t.strictSame(problems, []);
});

t.test('a manifest may be JSON; only the first YAML document is used', async (t) => {
  const json =
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"j"},"spec":{"containers":[{"name":"a","image":"i"}]}}';
  t.equal(read(json).object.metadata?.name, 'j');
  t.equal(read(`---\n${json}\n---\nkind: [\n`).object.metadata?.name, 'j');
});

t.test('unknown and duplicate fields are ignored and reported', async (t) => {
  const { problems } = read(`${HEAD}  nodename: a\n  containers: [{name: a, image: i, image: j}]\n`);
  t.strictSame(problems, ['line 6: key "image" already set in map', 'unknown field "spec.nodename"']);
});

t.test('an invalid manifest is rejected with a message', async (t) => {
  const cases: [manifest: string, message: RegExp][] = [
    [
      `${HEAD}  containers: [{name: a, image: i, env: [{name: PORT, value: 8080}]}]\n`,
      /cannot be handled as a Pod: json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string/,
    ],
    [
      `${HEAD.replace('odd', 'Bad_Name')}  containers: [{name: a, image: i, imagePullPolicy: IfNotPresnt}]\n`,
      /^Pod "Bad_Name" is invalid: \[metadata.name: Invalid value: .*imagePullPolicy: Unsupported value: "IfNotPresnt"/,
    ],
    [`${HEAD}  containers: []\n`, /spec.containers: Required value/],
    ['a: [', /^error converting YAML to JSON: yaml: line 1: /],
    ['', /expected apiVersion v1 and kind Pod, found apiVersion none and kind none/],
    ['- a', /expected apiVersion v1 and kind Pod/],
    ['apiVersion: v1\nkind: constructor\n', /found apiVersion "v1" and kind "constructor"/],
    ['{"apiVersion":"apps/v1","kind":"Deployment"}', /found apiVersion "apps\/v1" and kind "Deployment"/],
  ];
  for (const [manifest, message] of cases) t.throws(() => read(manifest), { message });
});
