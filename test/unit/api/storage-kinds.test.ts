/** Kinds of storage, network policies and ingresses, by table: defaults, validation errors and columns. */
import t from 'tap';
import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { networkPolicies } from '../../../api/kinds/networking/network-policy.ts';
import { csiDrivers } from '../../../api/kinds/storage/csi-driver.ts';
import { csiNodes } from '../../../api/kinds/storage/csi-node.ts';
import { csiStorageCapacities } from '../../../api/kinds/storage/csi-storage-capacity.ts';
import { storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { volumeAttributesClasses } from '../../../api/kinds/storage/volume-attributes-class.ts';
import { cells, decoded, refused, refusedChange, refusedStatus } from './kind-rules.ts';

t.test('storage classes', async (t) => {
  const plain = { provisioner: 'example.com/nfs' };
  t.match(decoded(storageClasses, plain), { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' });
  const isDefault = { metadata: { name: 'a', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } };
  t.strictSame(cells(storageClasses, { ...plain, ...isDefault }).slice(0, 5), [
    'a (default)',
    'example.com/nfs',
    'Delete',
    'Immediate',
    false,
  ]);
  const term = { matchLabelExpressions: [{ key: 'zone', values: ['a', 'a'] }] };
  for (const [storage, errors] of [
    [plain, []],
    [{ provisioner: '' }, ['provisioner: Required value']],
    [
      { ...plain, reclaimPolicy: 'Recycle' },
      ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
    ],
    [
      { ...plain, volumeBindingMode: 'Later' },
      ['volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'],
    ],
    [{ ...plain, parameters: { '': 'x' } }, ['parameters: Invalid value: "": field can not be empty.']],
    [{ ...plain, parameters: { a: 'x'.repeat(2 ** 18) } }, ['parameters: Too long: may not be more than 262144 bytes']],
    [
      { ...plain, allowedTopologies: [term] },
      ['allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"'],
    ],
  ] as const)
    t.strictSame(refused(storageClasses, storage), errors);
  t.strictSame(refusedChange(storageClasses, plain, { ...plain, reclaimPolicy: 'Retain', parameters: { a: 'b' } }), [
    'parameters: Invalid value: {"a":"b"}: field is immutable',
    'reclaimPolicy: Invalid value: "Retain": field is immutable',
  ]);
});

t.test('volume attributes classes', async (t) => {
  const plain = { driverName: 'csi.example.com', parameters: { iops: '1' } };
  t.strictSame(refused(volumeAttributesClasses, plain), []);
  t.strictSame(refused(volumeAttributesClasses, { driverName: '' }), [
    'driverName: Required value',
    'parameters: Required value: must contain at least one key/value pair',
  ]);
  t.strictSame(refusedChange(volumeAttributesClasses, plain, { driverName: 'b', parameters: { iops: '2' } }), [
    'driverName: Forbidden: updates to driverName are forbidden.',
    'parameters: Forbidden: updates to parameters are forbidden.',
  ]);
});

t.test('CSI drivers', async (t) => {
  t.strictSame(decoded(csiDrivers, { spec: {} }).spec, {
    attachRequired: true,
    podInfoOnMount: false,
    storageCapacity: false,
    fsGroupPolicy: 'ReadWriteOnceWithFSType',
    volumeLifecycleModes: ['Persistent'],
    requiresRepublish: false,
    seLinuxMount: false,
  });
  t.strictSame(cells(csiDrivers, { metadata: { name: 'd' }, spec: {} }).slice(0, 7), [
    ...['d', true, false, false, '<unset>', false, 'Persistent'],
  ]);
  for (const [spec, errors] of [
    [
      { fsGroupPolicy: 'x' },
      ['spec.fsGroupPolicy: Unsupported value: "x": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
    ],
    [
      { volumeLifecycleModes: ['x'] },
      ['spec.volumeLifecycleModes: Unsupported value: "x": supported values: "Persistent", "Ephemeral"'],
    ],
    [
      { tokenRequests: [{ audience: 'a', expirationSeconds: 1 }, { audience: 'a' }] },
      [
        'spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
      ],
    ],
    [
      { nodeAllocatableUpdatePeriodSeconds: 9 },
      ['spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds'],
    ],
  ] as const)
    t.strictSame(refused(csiDrivers, { spec }), errors);
  t.strictSame(refusedChange(csiDrivers, { spec: {} }, { spec: { attachRequired: false } }), [
    'spec.attachedRequired: Invalid value: false: field is immutable',
  ]);
});

t.test('CSI nodes and capacities', async (t) => {
  const driver = { name: 'csi.example.com', nodeID: 'n', topologyKeys: ['zone'] };
  t.strictSame(refused(csiNodes, { spec: { drivers: [driver] } }), []);
  t.strictSame(refused(csiNodes, { spec: { drivers: [{ ...driver, nodeID: '' }, driver] } }), [
    'spec.drivers[0].nodeID: Required value',
    'spec.drivers[1].name: Duplicate value: "csi.example.com"',
  ]);
  const change = (more: object) =>
    refusedChange(csiNodes, { spec: { drivers: [driver] } }, { spec: { drivers: [{ ...driver, ...more }] } });
  t.strictSame(change({ allocatable: { count: 3 } }), []);
  t.match(change({ nodeID: 'other' }), [/^spec.drivers: Invalid value: .*field is immutable$/]);

  const capacity = { storageClassName: 'fast', capacity: '1Gi' };
  t.strictSame(refused(csiStorageCapacities, capacity), []);
  t.strictSame(refused(csiStorageCapacities, { ...capacity, capacity: '-1' }), [
    'capacity: Invalid value: "-1": must be greater than or equal to 0',
  ]);
  t.strictSame(refusedChange(csiStorageCapacities, capacity, { ...capacity, storageClassName: 'slow' }), [
    'storageClassName: Invalid value: "slow": field is immutable',
  ]);
});

t.test('network policies', async (t) => {
  const ingress = (rule: object) => ({ spec: { podSelector: {}, ingress: [rule] } });
  t.strictSame(
    decoded(networkPolicies, { spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }], egress: [{}] } }).spec,
    {
      podSelector: {},
      ingress: [{ ports: [{ port: 80, protocol: 'TCP' }] }],
      egress: [{}],
      policyTypes: ['Ingress', 'Egress'],
    },
  );
  t.strictSame(
    cells(networkPolicies, { metadata: { name: 'p' }, spec: { podSelector: { matchLabels: { a: 'b' } } } }).slice(0, 2),
    ['p', 'a=b'],
  );
  const from = (peer: object) => ingress({ from: [peer] });
  const at = 'spec.ingress[0]';
  for (const [policy, errors] of [
    [ingress({}), []],
    [from({}), [`${at}.from[0]: Required value: must specify a peer`]],
    [
      from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
      [`${at}.from[0]: Forbidden: may not specify both ipBlock and another peer`],
    ],
    [from({ podSelector: {}, namespaceSelector: {} }), []],
    [from({ ipBlock: { cidr: '' } }), [`${at}.from[0].ipBlock.cidr: Required value`]],
    [
      from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8', '10.1.0.0/16'] } }),
      [`${at}.from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of \`cidr\``],
    ],
    [
      ingress({ ports: [{ port: 80, endPort: 79 }, { endPort: 1 }, { port: 'http', endPort: 1 }] }),
      [
        `${at}.ports[0].endPort: Invalid value: 80: must be greater than or equal to \`port\``,
        `${at}.ports[1].endPort: Invalid value: 1: may not be specified when \`port\` is not specified`,
        `${at}.ports[2].endPort: Invalid value: 1: may not be specified when \`port\` is non-numeric`,
      ],
    ],
    [
      { spec: { podSelector: {}, policyTypes: ['x'] } },
      ['spec.policyTypes[0]: Unsupported value: "x": supported values: "Ingress", "Egress"'],
    ],
  ] as const)
    t.strictSame(refused(networkPolicies, policy), errors, JSON.stringify(policy));
});

t.test('ingresses', async (t) => {
  const backend = { service: { name: 's', port: { number: 80 } } };
  const path = (more: object) => ({
    spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...more }] } }] },
  });
  const at = 'spec.rules[0].http.paths[0]';
  for (const [ingress, errors] of [
    [path({}), []],
    [{ spec: { defaultBackend: backend } }, []],
    [{ spec: {} }, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
    [path({ path: 'a' }), [`${at}.path: Invalid value: "a": must be an absolute path`]],
    [path({ path: '/a//b' }), [`${at}.path: Invalid value: "/a//b": must not contain '//'`]],
    [path({ path: '/a/..' }), [`${at}.path: Invalid value: "/a/..": cannot end with '/..'`]],
    [path({ pathType: 'ImplementationSpecific', path: '' }), []],
    [path({ pathType: undefined }), [`${at}.pathType: Required value: pathType must be specified`]],
    [
      path({ pathType: '' }),
      [`${at}.pathType: Unsupported value: "": supported values: "Exact", "ImplementationSpecific", "Prefix"`],
    ],
    [path({ backend: {} }), [`${at}.backend: Invalid value: "": resource or service backend is required`]],
    [path({ backend: { service: { name: 's' } } }), [`${at}.backend: Required value: port name or number is required`]],
    [
      path({ backend: { service: { name: 's', port: { name: 'a', number: 1 } } } }),
      [`${at}.backend: Invalid value: "": cannot set both port name & port number`],
    ],
    [
      { spec: { rules: [{ host: '10.0.0.1' }] } },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
    [{ spec: { rules: [{ host: '*.example.com' }] } }, []],
    [{ spec: { rules: [{ host: 'x' }], ingressClassName: 'a/b' } }, [/^spec.ingressClassName: Invalid value: "a\/b"/]],
  ] as const)
    t.match(refused(ingresses, ingress), errors, JSON.stringify(ingress));
  t.strictSame(
    cells(ingresses, {
      metadata: { name: 'i' },
      spec: { rules: ['a', 'b', 'c', 'd'].map((host) => ({ host })), tls: [{}] },
    }).slice(0, 5),
    ['i', '<none>', 'a,b,c + 1 more...', '', '80, 443'],
  );
  t.match(refusedStatus(ingresses, {}, { loadBalancer: { ingress: [{ ip: 'x', hostname: '10.0.0.1' }] } }), [
    /^status.loadBalancer.ingress\[0\].ip: Invalid value: "x"/,
    /^status.loadBalancer.ingress\[0\].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address/,
  ]);
});
