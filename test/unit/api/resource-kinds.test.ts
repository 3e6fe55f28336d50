/** Kinds of resource.k8s.io, by table: defaults, validation errors, columns and statuses. */
import t from 'tap';
import { deviceClasses } from '../../../api/kinds/resource/device-class.ts';
import { resourceClaims } from '../../../api/kinds/resource/resource-claim.ts';
import { resourceClaimTemplates } from '../../../api/kinds/resource/resource-claim-template.ts';
import { resourceSlices } from '../../../api/kinds/resource/resource-slice.ts';
import { cells, created, decoded, refused, refusedChange, refusedStatus } from './kind-rules.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const exactly = (more: object = {}) => ({ deviceClassName: 'gpu', ...more });
const request = (more: object = {}) => ({ name: 'r', exactly: exactly(more) });
const claim = (devices: object) => ({ spec: { devices } });
const R = 'spec.devices.requests[0]';

t.test('resource claims', async (t) => {
  t.match(decoded(resourceClaims, claim({ requests: [request()] })).spec.devices?.requests, [
    { exactly: { allocationMode: 'ExactCount', count: 1 } },
  ]);
  t.equal(
    decoded(resourceClaims, claim({ requests: [request({ allocationMode: 'All' })] })).spec.devices?.requests?.[0]
      ?.exactly?.count,
    undefined,
  );
  const opaque = { opaque: { driver: 'd.io', parameters: { a: 1 } } };
  const oneOf = 'exactly one of `exactly` or `firstAvailable` is required';
  const reference =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const alternatives = [{ name: 'a', ...exactly() }];
  for (const [devices, errors] of [
    [{}, []],
    [{ requests: [request()] }, []],
    [{ requests: [{ name: 'r' }] }, [`${R}: Required value: ${oneOf}`]],
    [
      { requests: [{ ...request(), firstAvailable: alternatives }] },
      [`${R}: Invalid value: null: ${oneOf}, but multiple fields are set`],
    ],
    [{ requests: [{ name: 'R', exactly: exactly() }] }, [`${R}.name: Invalid value: "R": ${LABEL}`]],
    [{ requests: [request(), request()] }, ['spec.devices.requests[1]: Duplicate value: "r"']],
    [
      { requests: Array<object>(33).fill(request()) },
      ['spec.devices.requests: Too many: 33: must have at most 32 items'],
    ],
    [
      { requests: [request({ deviceClassName: '', allocationMode: 'Some' })] },
      [
        `${R}.exactly.deviceClassName: Required value`,
        `${R}.exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`,
      ],
    ],
    [
      { requests: [request({ allocationMode: 'All', count: 2 })] },
      [`${R}.exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'`],
    ],
    [{ requests: [request({ count: -1 })] }, [`${R}.exactly.count: Invalid value: -1: must be greater than zero`]],
    [
      { requests: [request({ selectors: [{}, { cel: { expression: 'x'.repeat(10_241) } }] })] },
      [
        `${R}.exactly.selectors[0].cel: Required value`,
        `${R}.exactly.selectors[1].cel.expression: Too long: may not be more than 10240 bytes`,
      ],
    ],
    [
      { requests: [request({ tolerations: [{ operator: 'Exists', value: 'v', effect: 'Some' }, {}] })] },
      [
        `${R}.exactly.tolerations[0].value: Invalid value: "v": must be empty for operator \`Exists\``,
        `${R}.exactly.tolerations[0].effect: Unsupported value: "Some": supported values: "NoExecute", "NoSchedule", "None"`,
      ],
    ],
    [{ requests: [{ name: 'r', firstAvailable: alternatives }], config: [{ requests: ['r/a', 'r'], ...opaque }] }, []],
    [
      { requests: [request()], config: [{ requests: ['r/a', 'r/a/b', 's'] }] },
      [
        `spec.devices.config[0].requests[0]: Invalid value: "r/a": ${reference}`,
        `spec.devices.config[0].requests[1]: Invalid value: "r/a/b": ${reference}`,
        `spec.devices.config[0].requests[2]: Invalid value: "s": ${reference}`,
        'spec.devices.config[0].opaque: Required value',
      ],
    ],
    [
      { config: [{ opaque: { driver: '', parameters: null } }] },
      [
        'spec.devices.config[0].opaque.driver: Required value',
        'spec.devices.config[0].opaque.parameters: Required value',
      ],
    ],
    [{ constraints: [{ matchAttribute: 'd.io/a' }, { distinctAttribute: 'd.io/b' }] }, []],
    [
      { constraints: [{ matchAttribute: 'a' }, { matchAttribute: '/' }, {}] },
      [
        'spec.devices.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash',
        'spec.devices.constraints[1].matchAttribute: Invalid value: "": the domain must not be empty',
        'spec.devices.constraints[1].matchAttribute: Invalid value: "": the name must not be empty',
        'spec.devices.constraints[2]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
      ],
    ],
  ] as const)
    t.strictSame(refused(resourceClaims, claim(devices)), errors, JSON.stringify(devices).slice(0, 200));
  t.match(refusedChange(resourceClaims, claim({ requests: [request()] }), claim({})), [
    /^spec: Invalid value: .*field is immutable$/,
  ]);
  const allocation = { devices: { results: [] } };
  for (const [status, metadata, state] of [
    [{}, {}, 'pending'],
    [{ allocation }, {}, 'allocated'],
    [{ allocation, reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] }, {}, 'allocated,reserved'],
    [{}, { deletionTimestamp: '2026-01-01T00:00:00Z' }, 'deleted'],
    [{ allocation }, { deletionTimestamp: '2026-01-01T00:00:00Z' }, 'deleted,allocated'],
  ] as const)
    t.equal(cells(resourceClaims, { metadata, ...claim({}), status })[1], state);
});

const result = (more: object = {}) => ({ request: 'r', driver: 'd.io', pool: 'p', device: 'a', ...more });
const allocated = (...results: object[]) => ({ allocation: { devices: { results } } });

t.test('statuses of resource claims', async (t) => {
  const spec = { devices: { requests: [request()] } };
  const path = 'status.allocation.devices.results[0]';
  const consumer = { resource: 'pods', name: 'p', uid: 'u' };
  for (const [before, after, errors] of [
    [{}, allocated(result()), []],
    [
      {},
      allocated(result({ request: 's', pool: 'p//q', shareID: 'x' })),
      [
        /^status\.allocation\.devices\.results\[0\]\.request: Invalid value: "s": must be the name of a request/,
        /\.pool: Invalid value: "": a lowercase RFC 1123 subdomain/,
        /\.shareID: Invalid value: "x": uid must be in RFC 4122 normalized form/,
      ],
    ],
    [allocated(result({ request: 'old' })), allocated(result({ request: 'old' })), []],
    [allocated(result()), allocated(result({ device: 'b' })), [/^status\.allocation: .*field is immutable$/]],
    [allocated(result()), {}, []],
    [
      {},
      allocated(result({ bindingConditions: ['a', 'a'], bindingFailureConditions: ['a'] })),
      [
        `${path}.bindingConditions[1]: Duplicate value: "a"`,
        `${path}.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions`,
      ],
    ],
    [
      {},
      { reservedFor: [consumer] },
      ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'],
    ],
    [
      {},
      { ...allocated(result()), reservedFor: [consumer, { ...consumer, name: '' }] },
      ['status.reservedFor[1].name: Required value', 'status.reservedFor[1]: Duplicate value: "u"'],
    ],
    [
      allocated(result()),
      {
        ...allocated(result()),
        devices: [
          { driver: 'd.io', pool: 'p', device: 'a', networkData: { ips: ['10.0.0.1', '10.0.0.01/24', '10.0.0.1/24'] } },
        ],
      },
      [
        'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
        'status.devices[0].networkData.ips[1]: Invalid value: "10.0.0.01/24": must be in canonical form ("10.0.0.1/24")',
      ],
    ],
    [
      allocated(result()),
      {
        ...allocated(result()),
        devices: [{ driver: 'd.io', pool: 'p', device: 'b', data: { a: 'x'.repeat(10_240) } }],
      },
      [
        'status.devices[0]: Invalid value: "d.io/p/b": must be an allocated device in the claim',
        'status.devices[0].data: Too long: may not be more than 10240 bytes',
      ],
    ],
  ] as const)
    t.match(refusedStatus(resourceClaims, before, after, spec), errors, JSON.stringify(after));

  const rules = updateThrough(resourceClaims, 'status');
  const device = { driver: 'd.io', pool: 'p', device: 'a' };
  const old = decoded(resourceClaims, { spec, status: { ...allocated(result()), devices: [device] } });
  const freed = decoded(resourceClaims, {
    metadata: { name: 'x', labels: { a: 'b' } },
    spec,
    status: { devices: [device] },
  });
  rules.prepare(freed, old, CONTEXT);
  t.equal(freed.status?.devices, undefined, 'what is not allocated any more has no status');
  t.equal(freed.metadata?.labels, undefined);
});

t.test('templates and classes', async (t) => {
  const template = { spec: { metadata: { labels: { a: 'b' } }, spec: { devices: { requests: [request()] } } } };
  t.strictSame(refused(resourceClaimTemplates, template), []);
  t.match(refused(resourceClaimTemplates, { spec: { ...template.spec, metadata: { name: 'x' } } }), [
    'spec.metadata.name: Forbidden: cannot be set',
  ]);
  t.match(refusedChange(resourceClaimTemplates, template, { spec: { spec: {} } }), [/^spec: .*field is immutable$/]);
  for (const [spec, errors] of [
    [{}, []],
    [{ extendedResourceName: 'a.io/gpu' }, []],
    [
      { extendedResourceName: 'gpu' },
      ['spec.extendedResourceName: Invalid value: "gpu": must be a valid extended resource name'],
    ],
    [{ config: [{}] }, ['spec.config[0].opaque: Required value']],
  ] as const)
    t.strictSame(refused(deviceClasses, { spec }), errors);
});

t.test('expressions that select devices', async (t) => {
  const at = 'spec.selectors[0].cel.expression';
  const attribute = 'device.attributes["d.io"].x';
  const problems = (expression: string): string[] =>
    refused(deviceClasses, { spec: { selectors: [{ cel: { expression } }] } });
  for (const expression of [
    'true',
    attribute,
    `${attribute} == "y" && device.driver == "d.io"`,
    'device.attributes["d.io"].?x.orValue(false)',
    'device.capacity["d.io"].memory.compareTo(quantity("1Gi")) >= 0',
    'device.attributes["d.io"].v.isGreaterThan(semver("1.0.0"))',
    'device.allowMultipleAllocations',
    'cel.bind(mine, device.attributes["d.io"], mine.x && mine.y)',
  ])
    t.strictSame(problems(expression), [], expression);
  for (const [expression, type] of [
    ['1', 'int'],
    ['device', 'kubernetes.DRADevice'],
    ['device.attributes["d.io"]', 'map(string, google.protobuf.Any)'],
  ] as const) {
    const why = `must evaluate to bool or the unknown type, not ${type}`;
    t.strictSame(problems(expression), [`${at}: Invalid value: ${JSON.stringify(expression)}: ${why}`]);
  }
  for (const [expression, why] of [
    ['', 'compilation failed: ERROR: <input>:1:0: Syntax error'],
    ['device.model == "x"', "undefined field 'model'"],
    ['object == 1', "undeclared reference to 'object'"],
    [`${attribute}.exists(one, one == 1)`, "expression of type 'any' cannot be range of a comprehension"],
    ['cel.bind(1, 2, true)', 'cel.bind() variable names must be simple identifiers'],
    ['device.driver.matches("(")', 'invalid matches argument'],
  ] as const)
    t.ok(problems(expression)[0]?.includes(why), `${expression}: ${problems(expression)[0]}`);
  const costly = [
    'device.attributes.all(a, device.attributes[a].all(b, device.attributes.all(c, device.attributes[c].all(d, true))))',
    'type(device) == int',
  ];
  for (const expression of costly)
    t.strictSame(problems(expression), [`${at}: Forbidden: too complex, exceeds cost limit`]);
});

t.test('claims are validated in bounded time', async (t) => {
  const selector = (index: number) => ({ cel: { expression: `${index} == 0${' || true'.repeat(1200)}` } });
  const selectors = Array.from({ length: 8 }, (_, index) => selector(index));
  t.strictSame(refused(deviceClasses, { spec: { selectors } }), [
    'spec.selectors[6].cel.expression: Forbidden: the expressions of an object may have at most 65536 bytes in total',
    'spec.selectors[7].cel.expression: Forbidden: the expressions of an object may have at most 65536 bytes in total',
  ]);
  t.strictSame(refused(deviceClasses, { spec: { selectors: Array<object>(32).fill(selector(0)) } }), []);
  const requests = selectors.map((one, index) => ({ ...request({ selectors: [one] }), name: `r${index}` }));
  t.equal(refused(resourceClaims, claim({ requests })).length, 2, 'a claim is one object');
});

const slice = (more: object = {}) => ({
  spec: { driver: 'd.io', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n', ...more },
});
const device = (more: object = {}) => ({ name: 'a', ...more });
const D = 'spec.devices[0]';

t.test('resource slices', async (t) => {
  const which = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  const capacity = (requestPolicy: object, more: object = { allowMultipleAllocations: true }) => ({
    devices: [device({ capacity: { memory: { value: '10Gi', requestPolicy } }, ...more })],
  });
  const P = `${D}.capacity[memory].requestPolicy`;
  for (const [more, errors] of [
    [{}, []],
    [
      { driver: '', pool: { name: '', generation: -1, resourceSliceCount: 0 } },
      [
        'spec.driver: Required value',
        'spec.pool.name: Required value',
        'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
        'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero',
      ],
    ],
    [{ nodeName: undefined }, [`spec: Required value: ${which}`]],
    [
      { allNodes: true },
      [`spec: Invalid value: "{\`nodeName\`, \`allNodes\`}": ${which}, but multiple fields are set`],
    ],
    [{ allNodes: false }, ['spec.allNodes: Invalid value: false: must be either unset or set to true']],
    [{ devices: [device(), device()] }, ['spec.devices[1]: Duplicate value: "a"']],
    [
      {
        devices: Array.from({ length: 65 }, (_, index) =>
          device({ name: `d${index}`, taints: [{ key: 'k', effect: 'None' }] }),
        ),
      },
      ['spec.devices: Too many: 65: must have at most 64 items'],
    ],
    [
      {
        devices: [device({ attributes: { a: { string: 'x' }, 'd.io/b': { version: '1.2.3-rc.1+b' }, c: { int: 1 } } })],
      },
      [],
    ],
    [
      {
        devices: [
          device({
            attributes: { 'a-b': { string: 'x'.repeat(65) }, b: { version: '1.2' }, c: {}, d: { int: 1, bool: true } },
          }),
        ],
      },
      [
        /^spec\.devices\[0\]\.attributes: Invalid value: "a-b": a valid C identifier must start with/,
        `${D}.attributes[a-b].string: Too long: may not be more than 64 bytes`,
        `${D}.attributes[b].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0`,
        `${D}.attributes[c]: Invalid value: "": exactly one value must be specified`,
        /^spec\.devices\[0\]\.attributes\[d\]: Invalid value: .*exactly one value must be specified$/,
      ],
    ],
    [
      { devices: [device({ nodeName: 'n' })] },
      [/^spec\.devices\[0\]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set/],
    ],
    [
      { nodeName: undefined, perDeviceNodeSelection: true, devices: [device(), device({ name: 'b', nodeName: 'n' })] },
      [/^spec\.devices\[0\]: Required value: exactly one of `nodeName`/],
    ],
    [
      { devices: [device({ taints: [{ key: '', effect: '' }] })] },
      [
        /taints\[0\]\.key: Invalid value: ""/,
        /taints\[0\]\.key: Invalid value: ""/,
        `${D}.taints[0].effect: Required value`,
      ],
    ],
    [
      { devices: [device({ consumesCounters: [{ counterSet: '', counters: {} }] })] },
      [`${D}.consumesCounters[0].counterSet: Required value`, `${D}.consumesCounters[0].counters: Required value`],
    ],
    [{ sharedCounters: [{ name: 's', counters: { c: { value: '1' } } }] }, []],
    [
      { sharedCounters: [{ name: 's', counters: { C: { value: '1' } } }], devices: [device()] },
      [
        'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
        /sharedCounters\[0\]\.counters: Invalid value: "C"/,
      ],
    ],
    [capacity({ default: '1Gi', validValues: ['1Gi', '2Gi'] }), []],
    [capacity({ default: '1Gi' }, {}), [`${P}: Forbidden: allowMultipleAllocations must be true`]],
    [capacity({ validValues: ['1Gi'] }), [`${P}.default: Required value: required when validValues is defined`]],
    [
      capacity({ default: '3Gi', validValues: ['2Gi', '1Gi', '11Gi'] }),
      [
        `${P}.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order`,
        `${P}.validValues[2]: Invalid value: "11Gi": option is larger than capacity value: 10Gi`,
        `${P}.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy`,
      ],
    ],
    [capacity({ default: '1Gi', validRange: { min: '1Gi', max: '4Gi', step: '1Gi' } }), []],
    [
      capacity({ default: '1Gi', validRange: { min: '2Gi', max: '12Gi', step: '3Gi' } }),
      [
        `${P}.validRange.min: Invalid value: "1Gi": default is less than min: 2Gi`,
        `${P}.validRange.max: Invalid value: "12Gi": max is larger than capacity value: 10Gi`,
        `${P}.validRange.step: Invalid value: "1Gi": value is not a multiple of a given step (3Gi) from (2Gi)`,
        `${P}.validRange.step: Invalid value: "12Gi": value is not a multiple of a given step (3Gi) from (2Gi)`,
      ],
    ],
    [
      capacity({ default: '1', validRange: { min: '1', step: '0' } }),
      [/step: Invalid value: "1": value is not a multiple/],
    ],
    [
      capacity({ default: '1', validRange: { min: '1' }, validValues: ['1'] }),
      [
        `${P}: Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`,
      ],
    ],
  ] as const) {
    const found = refused(resourceSlices, slice(more));
    t.match(found, errors, JSON.stringify(more).slice(0, 200));
    t.equal(found.length, errors.length);
  }
  t.strictSame(refusedChange(resourceSlices, slice(), slice({ driver: 'e.io', nodeName: 'm' })), [
    'spec.driver: Invalid value: "e.io": field is immutable',
    'spec.nodeName: Invalid value: "m": field is immutable',
  ]);
  t.strictSame(cells(resourceSlices, slice()), ['x', 'n', 'd.io', 'p', '<unknown>']);
  const made = created(
    resourceSlices,
    slice({ devices: [device({ attributes: { a: { ints: [1] } }, taints: [{ key: 'k', effect: 'None' }] })] }),
  );
  t.strictSame(made.spec.devices?.[0]?.attributes, { a: {} }, 'lists are alpha');
  t.match(made.spec.devices?.[0]?.taints, [{ timeAdded: /Z$/ }]);
  t.strictSame(resourceSlices.warnings(decoded(resourceSlices, slice({ driver: 'D.io' }))), [
    'spec.driver: driver names should be lowercase; "D.io" contains uppercase characters',
  ]);
});
