/** Claims, volumes and their attachments, by table: defaults, validation errors, warnings and columns. */
import t from 'tap';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { volumeAttachments } from '../../../api/kinds/storage/volume-attachment.ts';
import { cells, created, decoded, refused, refusedChange, refusedCreate, refusedStatus } from './kind-rules.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const NAME =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const MODES = 'supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';
const CLASS = 'volume.beta.kubernetes.io/storage-class';
const requesting = (storage: string) => ({ resources: { requests: { storage } } });

t.test('claims', async (t) => {
  const spec = { accessModes: ['ReadWriteOnce'], ...requesting('1Gi') };
  t.match(created(persistentVolumeClaims, { spec, status: { phase: 'Bound' } }), {
    spec: { volumeMode: 'Filesystem' },
    status: { phase: 'Pending' },
  });
  for (const [more, errors] of [
    [{}, []],
    [{ storageClassName: '', volumeAttributesClassName: '' }, []],
    [{ accessModes: [] }, ['spec.accessModes: Required value: at least 1 access mode is required']],
    [{ accessModes: ['Any'] }, [`spec.accessModes: Unsupported value: "Any": ${MODES}`]],
    [
      { accessModes: ['ReadWriteOncePod', 'ReadOnlyMany'] },
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    [{ resources: {} }, ['spec.resources[storage]: Required value']],
    [requesting('0'), ['spec.resources[storage]: Invalid value: "0": must be greater than zero']],
    [{ storageClassName: 'A' }, [`spec.storageClassName: Invalid value: "A": ${NAME}`]],
    [{ volumeMode: 'Raw' }, ['spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"']],
    [{ volumeAttributesClassName: 'A' }, [`spec.volumeAttributesClassName: Invalid value: "A": ${NAME}`]],
    [
      {
        dataSource: { kind: 'PersistentVolumeClaim', name: 'a' },
        dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'b' },
      },
      ['spec: Invalid value: {}: must match dataSourceRef'],
    ],
  ] as const)
    t.strictSame(refused(persistentVolumeClaims, { spec: { ...spec, ...more } }), errors, JSON.stringify(more));

  t.strictSame(
    refusedCreate(persistentVolumeClaims, { spec: { ...spec, dataSourceRef: { kind: 'Thing', name: '' } } }),
    ['dataSource', 'dataSourceRef'].flatMap((field) => [
      `spec.${field}.name: Required value`,
      `spec.${field}: Invalid value: "Thing": must be 'PersistentVolumeClaim' when referencing the default apiGroup`,
    ]),
  );
  const sourceOf = (more: object) => {
    const { dataSource, dataSourceRef } = created(persistentVolumeClaims, { spec: { ...spec, ...more } }).spec ?? {};
    return [dataSource, dataSourceRef];
  };
  const claim = { kind: 'PersistentVolumeClaim', name: 'a' };
  const shown = { ...claim, apiGroup: null };
  t.strictSame(sourceOf({ dataSource: claim }), [shown, shown]);
  t.strictSame(sourceOf({ dataSourceRef: claim }), [shown, shown]);
  t.strictSame(sourceOf({ dataSource: { apiGroup: 'a.io', kind: 'Thing', name: 'a' } }), [undefined, undefined]);
  t.strictSame(sourceOf({ dataSourceRef: { ...claim, namespace: 'b' } }), [undefined, undefined]);

  t.strictSame(cells(persistentVolumeClaims, { metadata: { name: 'x' }, spec }), [
    ...['x', 'Pending', '', '', '', '', '<unset>', '<unknown>', 'Filesystem'],
  ]);
  const status = { phase: 'Bound', capacity: { storage: '2Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] };
  const bound = { spec: { ...spec, volumeName: 'v', storageClassName: 'fast' }, status };
  t.strictSame(cells(persistentVolumeClaims, { metadata: { name: 'x' }, ...bound }).slice(1, 6), [
    ...['Bound', 'v', '2Gi', 'RWO,RWX', 'fast'],
  ]);
  t.strictSame(
    persistentVolumeClaims.warnings(
      decoded(persistentVolumeClaims, { metadata: { annotations: { [CLASS]: 'a' } }, spec: requesting('1500m') }),
    ),
    [
      `metadata.annotations[${CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead`,
      'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ],
  );
});

t.test('updates of claims', async (t) => {
  const spec = { accessModes: ['ReadWriteOnce'], ...requesting('2Gi') };
  const frozen =
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n';
  const status = { phase: 'Bound', capacity: { storage: '1Gi' }, currentVolumeAttributesClassName: 'gold' };
  const gold = { volumeAttributesClassName: 'gold' };
  for (const [what, before, after, errors] of [
    ['a volume is bound', {}, { spec: { volumeName: 'v' } }, []],
    ['it stays bound to it', { spec: { volumeName: 'v' } }, { spec: { volumeName: 'w' } }, [frozen]],
    ['a class is given', {}, { spec: { storageClassName: 'a' } }, []],
    ['and not changed', { spec: { storageClassName: 'a' } }, { spec: { storageClassName: 'b' } }, [frozen]],
    [
      'the annotation becomes a field',
      { metadata: { annotations: { [CLASS]: 'a' } } },
      { spec: { storageClassName: 'a' } },
      [],
    ],
    [
      'the annotation is immutable',
      { metadata: { annotations: { [CLASS]: 'a' } } },
      { metadata: { annotations: { [CLASS]: 'b' } } },
      [`metadata.annotations.${CLASS}: Invalid value: "b": field is immutable`],
    ],
    ['only a bound claim grows', {}, { spec: requesting('3Gi') }, [frozen]],
    ['a bound claim grows', { status }, { status, spec: { ...requesting('3Gi') } }, []],
    ['an expansion is given up', { status }, { status, spec: requesting('1500Mi') }, []],
    [
      'no claim shrinks',
      { status },
      { status, spec: requesting('1Gi') },
      ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    ],
    [
      'the mode is immutable',
      {},
      { spec: { volumeMode: 'Block' } },
      [frozen, 'volumeMode: Invalid value: "Block": field is immutable'],
    ],
    ['attributes change', { status, spec: gold }, { status, spec: { volumeAttributesClassName: 'iron' } }, []],
    [
      'attributes stay',
      { status, spec: gold },
      { status },
      [
        'spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil',
      ],
    ],
  ] as const) {
    const whole = (claim: { metadata?: object; spec?: object; status?: object }) => ({
      ...claim,
      spec: { ...spec, ...claim.spec },
    });
    t.strictSame(refusedChange(persistentVolumeClaims, whole(before), whole(after)), errors, what);
  }
  for (const [status, errors] of [
    [{ capacity: { storage: '1Gi' }, allocatedResources: { storage: '1Gi', 'a.io/b': '1' } }, []],
    [
      { capacity: { storage: '-1' } },
      ['status.capacity[storage]: Invalid value: -1: must be a valid resource quantity'],
    ],
    [
      { allocatedResources: { cpu: '1' } },
      ['status.allocatedResources: Unsupported value: "cpu": supported values: "storage"'],
    ],
    [
      { allocatedResourceStatuses: { storage: 'Growing' } },
      [
        'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
      ],
    ],
  ] as const)
    t.match(refusedStatus(persistentVolumeClaims, {}, status, spec), errors, JSON.stringify(status));
});

const volume = (more: object) => ({
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], nfs: { server: 's', path: '/p' }, ...more },
});
const from = (source: object) => volume({ nfs: undefined, ...source });

t.test('volumes', async (t) => {
  t.match(created(persistentVolumes, volume({})), {
    spec: { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' },
    status: { phase: 'Pending', lastPhaseTransitionTime: '2026-01-02T03:04:05Z' },
  });
  t.match(decoded(persistentVolumes, from({ hostPath: { path: '/a' } })).spec?.hostPath, { path: '/a', type: '' });
  const node = { key: 'kubernetes.io/hostname', operator: 'In', values: ['n'] };
  const affinity = (...matchExpressions: object[]) => ({
    nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
  });
  for (const [manifest, errors] of [
    [volume({}), []],
    [
      volume({ capacity: undefined, accessModes: [] }),
      [
        'spec.accessModes: Required value',
        'spec.capacity: Required value',
        'spec.capacity: Unsupported value: null: supported values: "storage"',
      ],
    ],
    [
      volume({ capacity: { storage: '-1' } }),
      [
        'spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
        'spec.capacity[storage]: Invalid value: "-1": must be greater than zero',
      ],
    ],
    [
      volume({ persistentVolumeReclaimPolicy: 'Keep' }),
      [
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"',
      ],
    ],
    [from({}), ['spec: Required value: must specify a volume type']],
    [
      volume({ hostPath: { path: '/' }, cephfs: { monitors: [] }, persistentVolumeReclaimPolicy: 'Recycle' }),
      [
        'spec.nfs: Forbidden: may not specify more than 1 volume type',
        'spec.cephFS: Forbidden: may not specify more than 1 volume type',
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
      ],
    ],
    [from({ local: { path: '/a' }, ...affinity(node) }), []],
    [
      from({ local: { path: '/a/..' } }),
      [
        'spec.nodeAffinity: Required value: Local volume requires node affinity',
        'spec.local.path: Invalid value: "/a/..": must not contain \'..\'',
      ],
    ],
    [
      volume({ nodeAffinity: {} }),
      ['spec.nodeAffinity.required: Required value: must specify required node constraints'],
    ],
    [
      volume({ volumeAttributesClassName: '' }),
      [
        'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
        'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
      ],
    ],
    [
      from({ csi: { driver: 'a.io', volumeHandle: '', nodePublishSecretRef: { name: 's' } } }),
      ['spec.csi.volumeHandle: Required value', 'spec.csi.nodePublishSecretRef.namespace: Required value'],
    ],
    [
      from({ gcePersistentDisk: { pdName: '', partition: 256 } }),
      [
        'spec.persistentDisk.pdName: Required value',
        'spec.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive',
      ],
    ],
    [
      from({ glusterfs: { endpoints: 'e', path: 'p', endpointsNamespace: '' } }),
      [/^spec.glusterfs.endpointsNamespace: /],
    ],
    [
      from({ iscsi: { targetPortal: '', iqn: 'x', lun: 256, initiatorName: 'iqn.x' } }),
      [
        'spec.iscsi.targetPortal: Required value',
        'spec.iscsi.iqn: Invalid value: "x": must be valid format',
        'spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive',
        'spec.iscsi.initiatorname: Invalid value: "iqn.x": must be valid format',
      ],
    ],
    [
      from({ storageos: { volumeName: 'a', secretRef: { name: 's' } } }),
      [/^spec.storageos.secretRef.namespace: Required/],
    ],
    [
      from({ azureFile: { secretName: 's', shareName: 's', secretNamespace: '' } }),
      [/secretNamespace: Required value$/],
    ],
    [
      {
        metadata: { annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } },
        ...from({ hostPath: { path: '/a' } }),
      },
      [
        'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
      ],
    ],
  ] as const)
    t.match(refused(persistentVolumes, manifest), errors, JSON.stringify(manifest));
  t.strictSame(
    cells(persistentVolumes, { metadata: { name: 'x' }, ...volume({ claimRef: { name: 'c', namespace: 'n' } }) }),
    [...['x', '1Gi', 'RWO', 'Retain', 'Pending', 'n/c', '', '<unset>', '', '<unknown>', 'Filesystem']],
  );
  const old = from({ rbd: { monitors: ['m'], image: 'i' }, ...affinity({ ...node, key: 'beta.kubernetes.io/os' }) });
  t.strictSame(persistentVolumes.warnings(decoded(persistentVolumes, old)), [
    'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.rbd: deprecated in v1.28, non-functional in v1.31+',
  ]);
  t.strictSame(
    refusedChange(
      persistentVolumes,
      old,
      from({ rbd: { monitors: ['m'], image: 'i' }, ...affinity({ ...node, key: 'kubernetes.io/os' }) }),
    ),
    [],
  );
  t.strictSame(refusedChange(persistentVolumes, volume(affinity(node)), volume(affinity({ ...node, values: ['o'] }))), [
    'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"kubernetes.io/hostname","Operator":"In","Values":["o"]}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
  ]);
  t.strictSame(refusedChange(persistentVolumes, volume({}), volume({ nfs: { server: 't', path: '/p' } })), [
    'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n',
  ]);
  const csi = { driver: 'a.io', volumeHandle: 'h' };
  const secret = { controllerExpandSecretRef: { name: 's', namespace: 'n' } };
  t.strictSame(refusedChange(persistentVolumes, from({ csi }), from({ csi: { ...csi, ...secret } })), []);
});

t.test('a volume notes when its phase has changed', async (t) => {
  const rules = updateThrough(persistentVolumes, 'status');
  const before = { phase: 'Pending', lastPhaseTransitionTime: '2025-01-01T00:00:00Z' };
  for (const [status, time] of [
    [{ phase: 'Pending' }, '2025-01-01T00:00:00Z'],
    [{ phase: 'Bound' }, '2026-01-02T03:04:05Z'],
    [{ phase: 'Bound', lastPhaseTransitionTime: '2025-01-01T00:00:00Z' }, '2026-01-02T03:04:05Z'],
    [{ phase: 'Bound', lastPhaseTransitionTime: '2025-01-02T00:00:00Z' }, '2025-01-02T00:00:00Z'],
  ] as const) {
    const object = decoded(persistentVolumes, { ...volume({}), status });
    rules.prepare(object, decoded(persistentVolumes, { ...volume({}), status: before }), CONTEXT);
    t.equal(object.status?.lastPhaseTransitionTime, time, JSON.stringify(status));
  }
});

t.test('volume attachments', async (t) => {
  const source = { persistentVolumeName: 'v' };
  const spec = { attacher: 'a.io', nodeName: 'n', source };
  const oneOf = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  for (const [more, errors] of [
    [{}, []],
    [{ attacher: '' }, ['spec.attacher: Required value']],
    [{ source: {} }, [`spec.source: Required value: ${oneOf}`]],
    [{ source: { ...source, inlineVolumeSpec: {} } }, [`spec.source: Forbidden: ${oneOf}`]],
    [
      { source: { inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'a.io', volumeHandle: 'h' } } } },
      [],
    ],
    [
      { source: { inlineVolumeSpec: { ...volume({}).spec, storageClassName: 'a' } } },
      [
        'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
        'spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes',
        'spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes',
      ],
    ],
    [{ nodeName: 'N' }, [`spec.nodeName: Invalid value: "N": ${NAME}`]],
  ] as const)
    t.strictSame(refused(volumeAttachments, { spec: { ...spec, ...more } }), errors, JSON.stringify(more));
  t.match(refusedChange(volumeAttachments, { spec }, { spec: { ...spec, nodeName: 'm' } }), [
    /^spec: Invalid value: .*field is immutable$/,
  ]);
  t.strictSame(
    refusedStatus(
      volumeAttachments,
      { attached: false },
      { attached: true, attachError: { message: 'x'.repeat(1025) }, attachmentMetadata: { a: 'x'.repeat(2 ** 18) } },
      spec,
    ),
    [
      'status.attachmentMetadata: Too long: may not be more than 262144 bytes',
      'status.attachError.message: Too long: may not be more than 262144 bytes',
    ],
  );
  t.strictSame(cells(volumeAttachments, { metadata: { name: 'x' }, spec, status: { attached: true } }), [
    ...['x', 'a.io', 'v', 'n', true, '<unknown>'],
  ]);
});

t.test('inline volumes of pods', async (t) => {
  const at = 'spec.volumes[0]';
  const template = { spec: { accessModes: ['ReadWriteOnce'], ...requesting('1Gi') } };
  const iqn = 'iqn.2001-04.com.example:disk';
  for (const [source, errors] of [
    [
      { gitRepo: { repository: '', directory: '../a' } },
      ['gitRepo.repository: Required value', 'gitRepo.directory: Invalid value: "../a": must not contain \'..\''],
    ],
    [{ iscsi: { targetPortal: 'p', iqn, lun: 0 } }, []],
    [{ iscsi: { targetPortal: 'p', iqn: `${iqn};x`, lun: 0 } }, [/^iscsi.iqn: .*must be valid format$/]],
    [{ iscsi: { targetPortal: 'p', iqn: 'x', lun: 0 } }, [/must be valid format starting with iqn, eui, or naa$/]],
    [{ iscsi: { targetPortal: 'p', iqn, lun: 0, chapAuthSession: true } }, ['iscsi.secretRef: Required value']],
    [
      { iscsi: { targetPortal: 'p'.repeat(64), iqn, lun: 0, initiatorName: iqn } },
      [/^name: Invalid value: "v": Total length/],
    ],
    [
      { flocker: { datasetName: 'a/b', datasetUUID: 'u' } },
      [/^flocker: Invalid value: "resource"/, /^flocker.datasetName/],
    ],
    [{ fc: { targetWWNs: ['a'] } }, ['fc.lun: Required value: lun is required if targetWWNs is specified']],
    [{ fc: {} }, ['fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both']],
    [
      { flexVolume: { driver: 'd', options: { 'a.kubernetes.io/b': '', 'k8s.io': '', 'xk8s.io': '' } } },
      ['a.kubernetes.io/b', 'k8s.io'].map(
        (key) =>
          `flexVolume.options[${key}]: Invalid value: "${key}": kubernetes.io and k8s.io namespaces are reserved`,
      ),
    ],
    [{ quobyte: { registry: 'a:1,[::1]:2', volume: 'v' } }, []],
    [{ quobyte: { registry: 'a,b:1:2', volume: 'v' } }, [/^quobyte.registry: /, /^quobyte.registry: /]],
    [
      { azureDisk: { diskName: 'd', diskURI: 'x', kind: 'Managed', cachingMode: 'Some' } },
      [
        'azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite"',
        'azureDisk.diskURI: Unsupported value: "x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
      ],
    ],
    [{ csi: { driver: 'a.io', nodePublishSecretRef: {} } }, ['csi.nodePublishSecretRef.name: Required value']],
    [{ cinder: { volumeID: 'v', secretRef: {} } }, ['cinder.secretRef.name: Required value']],
    [{ ephemeral: {} }, ['ephemeral.volumeClaimTemplate: Required value']],
    [{ ephemeral: { volumeClaimTemplate: template } }, []],
    [
      { ephemeral: { volumeClaimTemplate: { metadata: { name: 'x' }, ...template } } },
      ['ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set'],
    ],
    [
      { downwardAPI: {}, secret: { secretName: 's' } },
      ['downwarAPI: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      {
        projected: {
          sources: [{ serviceAccountToken: { path: '' } }, { secret: { name: 'a' }, configMap: { name: 'b' } }],
        },
      },
      [
        'projected.path: Required value',
        'projected.sources[1]: Forbidden: may not specify more than 1 volume type per source',
      ],
    ],
  ] as const) {
    const spec = { containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', ...source }] };
    const found = refused(pods, { spec });
    t.match(
      found.map((error) => error.slice(at.length + 1)),
      errors,
      JSON.stringify(source),
    );
    t.equal(found.length, errors.length);
  }
  const volumes = [
    { name: 'v', ephemeral: { volumeClaimTemplate: template } },
    { name: 'w', persistentVolumeClaim: { claimName: 'x-v' } },
  ];
  t.strictSame(refused(pods, { spec: { containers: [{ name: 'c', image: 'i' }], volumes } }), [
    'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "x-v": must not reference a PVC that gets created for an ephemeral volume',
  ]);
});
