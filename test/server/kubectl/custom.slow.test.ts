/** What kubectl does with the objects of a CustomResourceDefinition. */
import { checkRows } from './rows.ts';

const definition = (group: string): string => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.${group}}
spec:
  group: ${group}
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
      additionalPrinterColumns:
        - {name: Colour, type: string, jsonPath: .spec.colour}
        - {name: Size, type: integer, jsonPath: .spec.size, priority: 1}
      selectableFields: [{jsonPath: .spec.colour}]
      schema:
        openAPIV3Schema:
          type: object
          description: Something to be had.
          properties:
            spec:
              type: object
              required: [colour]
              properties:
                colour: {type: string, enum: [red, green], description: Its colour.}
                size: {type: integer, default: 3}
            status:
              type: object
              properties:
                size: {type: integer}
                conditions:
                  type: array
                  items: {type: object, properties: {type: {type: string}, status: {type: string}}}
`;
const widget = (group: string, name: string, spec: string): string =>
  `apiVersion: ${group}/v1\nkind: Widget\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const merge = (name: string, patch: object): string[] => [
  'patch',
  name,
  'w',
  '--type=merge',
  '-p',
  JSON.stringify(patch),
];

await checkRows('custom', ({ minor }) => {
  const group = `v${minor}.example.com`;
  // Groups of several versions have a resource of this name.
  const name = `widgets.${group}`;
  const red = widget(group, 'w', '{colour: red}');
  const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  return [
    { run: 'apply -f -', input: definition(group), prints: 'created' },
    { run: `wait --for=condition=Established crd/${name} --timeout=20s`, prints: 'condition met' },
    { run: `api-resources --api-group=${group}`, prints: /widgets +wd +v\d+.example.com\/v1 +true +Widget/ },
    {
      run: 'create -f -',
      input: widget(group, 'bad', '{colour: red, color: red}'),
      fails: /unknown field "(?:spec\.)?color"/,
    },
    {
      run: 'create -f -',
      input: widget(group, 'bad', '{colour: blue}'),
      fails: 'spec.colour: Unsupported value: "blue"',
    },
    { run: 'apply -f -', input: red, prints: 'created' },
    { run: 'apply -f -', input: red, prints: 'unchanged' },
    { run: `get ${name}`, prints: /^NAME +COLOUR\nw +red\n$/ },
    { run: `get ${name} -o wide`, prints: /^NAME +COLOUR +SIZE\nw +red +3\n$/ },
    { run: 'get all', prints: new RegExp(`widget.${group}/w +red`) },
    {
      run: `explain widgets --api-version=${group}/v1 --recursive`,
      prints: /Something to be had\.[^]*spec\t<Object>[^]*colour\t<string>/,
    },
    { run: `explain widgets.spec.colour --api-version=${group}/v1`, prints: 'Its colour.' },
    { run: `scale ${name} w --replicas=5`, prints: 'w scaled' },
    { run: `get ${name} w -o jsonpath={.spec.size}`, prints: /^5$/ },
    { run: merge(name, { spec: { colour: 'green' } }), prints: 'w patched' },
    {
      run: ['patch', name, 'w', '--type=strategic', '-p', '{}'],
      fails: 'accepted media types include: application/json-patch+json',
    },
    { run: `get ${name} --field-selector=spec.colour=green -o name`, prints: /\/w\n$/ },
    { run: `get ${name} --field-selector=spec.colour=red -o name`, prints: /^$/ },
    { run: `get ${name} --field-selector=spec.size=5`, fails: 'field label not supported: spec.size' },
    { run: 'apply --server-side -f -', input: red, fails: 'conflict with "kubectl-patch"' },
    { run: 'apply --server-side --force-conflicts -f -', input: red, prints: 'serverside-applied' },
    { run: [...merge(name, ready), '--subresource=status'], from: 32, prints: 'w patched' },
    { run: `wait --for=condition=Ready ${name}/w --timeout=10s`, from: 32, prints: 'condition met' },
    { run: `describe ${name} w`, prints: /Kind: +Widget[^]*Colour: +red/ },
    { run: `delete ${name} --all`, prints: '"w" deleted' },
    { run: 'apply -f -', input: red, prints: 'created' },
    { run: `delete crd ${name} --timeout=60s`, prints: 'deleted' },
    { run: `get ${name}`, fails: /doesn't have a resource type|could not find the requested resource/ },
  ];
});
