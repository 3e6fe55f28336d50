/** What upstream says of objects that are not valid, where the words, the order or the path are not what one would guess. */
import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { statefulSets } from '../../../api/kinds/apps/stateful-set.ts';
import { apiServices } from '../../../api/kinds/apiregistration/api-service.ts';
import { localSubjectAccessReviews } from '../../../api/kinds/authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from '../../../api/kinds/authorization/self-subject-access-review.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { podTemplates } from '../../../api/kinds/core/pod-template.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { replicationControllers } from '../../../api/kinds/core/replication-controller.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { podDisruptionBudgets } from '../../../api/kinds/policy/pod-disruption-budget.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { deviceClasses } from '../../../api/kinds/resource/device-class.ts';
import { resourceSlices } from '../../../api/kinds/resource/resource-slice.ts';
import { invalid } from '../../../api/machinery/field-error.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { inheritMetadata, validateObjectMetaUpdate } from '../../../api/machinery/metadata.ts';
import { invalidObject } from '../../../api/machinery/status-error.ts';
import { created, decoded, refused, refusedChange } from './kind-rules.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED = (given: string) =>
  `Invalid value: ${JSON.stringify(given)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
const NAMELESS = ['Invalid value: "": name part must be non-empty', QUALIFIED('')];

const container = (fields: object) => ({ name: 'c', image: 'i', ...fields });
const pod = (fields: object, first: object = {}) => ({ spec: { containers: [container(first)], ...fields } });
const labels = { a: 'b' };
const template = { metadata: { labels }, spec: { containers: [container({})] } };
const mismatch = (given: object | null) =>
  `spec.template.metadata.labels: Invalid value: ${JSON.stringify(given)}: \`selector\` does not match template \`labels\``;
const broken = { matchLabels: labels, matchExpressions: [{ key: 'a', operator: 'x' }] };
const brokenOperator = 'spec.selector.matchExpressions[0].operator: Invalid value: "x": not a valid selector operator';

const POD_ROWS: readonly (readonly [object, readonly string[]])[] = [
  [
    pod({}, { volumeMounts: [{}] }),
    [
      'spec.containers[0].volumeMounts[0].name: Required value',
      'spec.containers[0].volumeMounts[0].name: Not found: ""',
      'spec.containers[0].volumeMounts[0].mountPath: Required value',
    ],
  ],
  [
    pod(
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumeMounts: [{ name: 'v', mountPath: '/', subPath: 'a', subPathExpr: 'b' }] },
    ),
    [
      'spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive',
    ],
  ],
  [
    pod({}, { volumeDevices: [{}] }),
    [
      'spec.containers[0].volumeDevices[0].name: Required value',
      'spec.containers[0].volumeDevices[0].name: Not found: ""',
      'spec.containers[0].volumeDevices[0].devicePath: Required value',
    ],
  ],
  [
    pod(
      {},
      { resizePolicy: [{ restartPolicy: 'NotRequired' }, { resourceName: 'disk', restartPolicy: 'NotRequired' }] },
    ),
    [
      'spec.containers[0].resizePolicy: Required value',
      'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"',
    ],
  ],
  [
    pod({}, { terminationMessagePolicy: 'X' }),
    [
      'spec.containers[0].terminationMessagePolicy: Unsupported value: "X": supported values: "File", "FallbackToLogsOnError"',
    ],
  ],
  [
    pod({ dnsPolicy: 'X' }),
    [
      'spec.dnsPolicy: Unsupported value: "X": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ],
  ],
  [
    pod({ preemptionPolicy: 'X' }),
    ['spec.preemptionPolicy: Unsupported value: "X": supported values: "PreemptLowerPriority", "Never"'],
  ],
  [
    pod({ hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'B'] }] }),
    [`spec.hostAliases[0].hostnames[1]: Invalid value: "B": ${SUBDOMAIN}`],
  ],
  [pod({ hostnameOverride: 'B' }), [`spec.hostnameOverride: Invalid value: "B": ${SUBDOMAIN}`]],
  [pod({ os: {} }), ['spec.os.name: Required value']],
  [
    pod({ initContainers: [container({ name: '' }), container({ name: '' })] }),
    ['spec.initContainers[0].name: Required value', 'spec.initContainers[1].name: Required value'],
  ],
  [
    pod({ topologySpreadConstraints: [{}, { maxSkew: 1, topologyKey: '', whenUnsatisfiable: '' }] }),
    [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "": supported values: "DoNotSchedule", "ScheduleAnyway"',
      'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{, }"',
      'spec.topologySpreadConstraints[1].topologyKey: Required value: can not be empty',
      'spec.topologySpreadConstraints[1].whenUnsatisfiable: Unsupported value: "": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
  ],
  [
    pod({ resourceClaims: [{}, { name: 'a', resourceClaimName: 'b', resourceClaimTemplateName: 'C' }] }),
    [
      'spec.resourceClaims[0].name: Required value',
      'spec.resourceClaims[0]: Invalid value: {"Name":"","ResourceClaimName":null,"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
      'spec.resourceClaims[1]: Invalid value: {"Name":"a","ResourceClaimName":"b","ResourceClaimTemplateName":"C"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
      `spec.resourceClaims[1].resourceClaimTemplateName: Invalid value: "C": ${SUBDOMAIN}`,
    ],
  ],
  [
    pod({ terminationGracePeriodSeconds: 2 }, { lifecycle: { preStop: { sleep: { seconds: 3 } } } }),
    [
      'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 3: must be non-negative and less than terminationGracePeriodSeconds (2)',
    ],
  ],
  [
    pod({}, { env: [{ name: 'a', valueFrom: { fieldRef: { apiVersion: 'v2', fieldPath: 'metadata.name' } } }] }),
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2',
    ],
  ],
  [
    pod({ securityContext: { seLinuxChangePolicy: 'X' } }),
    ['spec.securityContext.seLinuxChangePolicy: Unsupported value: "X": supported values: "MountOption", "Recursive"'],
  ],
  [
    pod({ securityContext: { seccompProfile: { type: 'RuntimeDefault', localhostProfile: 'a' } } }),
    [
      'spec.securityContext.seccompProfile.localhostProfile: Invalid value: {"Type":"RuntimeDefault","LocalhostProfile":"a"}: can only be set when seccomp type is Localhost',
    ],
  ],
  [
    pod({ dnsConfig: { searches: ['_a.b', 'A'] } }),
    [
      `spec.dnsConfig.searches[1]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    pod({
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: '-any-', whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['a'] },
        {
          ...{ maxSkew: 1, topologyKey: 'b', whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['a', 'a b'] },
          labelSelector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] },
        },
      ],
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'a', labelSelector: {}, matchLabelKeys: ['a'], mismatchLabelKeys: ['a'] },
          ],
        },
      },
    }),
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and mismatchLabelKeys',
      'spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set',
      `spec.topologySpreadConstraints[1].matchLabelKeys[1]: ${QUALIFIED('a b')}`,
      'spec.topologySpreadConstraints[1][0]: Invalid value: "a": exists in both matchLabelKeys and labelSelector',
    ],
  ],
  [
    pod({
      schedulerName: '-any-',
      volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'a/b', path: 'c' }] } }],
    }),
    [],
  ],
  [
    pod(
      { os: { name: 'linux' }, securityContext: { windowsOptions: {} } },
      { securityContext: { windowsOptions: { gmsaCredentialSpec: '', gmsaCredentialSpecName: 'A' } } },
    ),
    [
      `spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName: Invalid value: "A": ${SUBDOMAIN}`,
      'spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string',
      'spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
      'spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
    ],
  ],
  [
    pod(
      { securityContext: { windowsOptions: { hostProcess: false } } },
      { securityContext: { windowsOptions: { hostProcess: true, runAsUserName: 'a b|' } } },
    ),
    [
      'spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a b|": runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]',
      'spec.containers[0].securityContext.windowsOptions.hostProcess: Invalid value: true: pod hostProcess value must be identical if both are specified, was false',
      'spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers',
    ],
  ],
  [
    pod(
      { securityContext: { windowsOptions: { runAsUserName: 'a\\b\\c' } } },
      { securityContext: { windowsOptions: { runAsUserName: '-\\..' } } },
    ),
    [
      'spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "-\\\\..": runAsUserName\'s User cannot contain only periods or spaces',
      'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash',
    ],
  ],
  [
    pod(
      { os: { name: 'windows' }, hostPID: true, securityContext: { fsGroup: 1, sysctls: [] } },
      { securityContext: { privileged: true, capabilities: {} } },
    ),
    [
      'spec.hostPID: Forbidden: cannot be set for a windows pod',
      'spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod',
      'spec.containers[0].securityContext.capabilities: Forbidden: cannot be set for a windows pod',
      'spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod',
    ],
  ],
  [
    pod(
      { resourceClaims: [{ name: 'a', resourceClaimName: 'x' }] },
      {
        resources: {
          claims: [
            { name: 'a', request: 'A' },
            { name: 'a', request: 'r' },
            { name: 'a', request: 'r' },
            { name: 'a' },
            { name: 'b' },
            {},
          ],
        },
      },
    ),
    [
      "spec.containers[0].resources.claims[0].request: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      'spec.containers[0].resources.claims[2]: Duplicate value: "a/r"',
      'spec.containers[0].resources.claims[3]: Duplicate value: "a"',
      'spec.containers[0].resources.claims[3]: Duplicate value: "a"',
      'spec.containers[0].resources.claims[4]: Not found: "b": must be one of the names in pod.spec.resourceClaims: a',
      'spec.containers[0].resources.claims[5]: Required value',
    ],
  ],
  [
    pod({}, { resources: { claims: [{ name: 'b' }] } }),
    [
      'spec.containers[0].resources.claims[0]: Not found: "b": must be one of the names in pod.spec.resourceClaims which is empty',
    ],
  ],
  [
    pod(
      {
        volumes: [
          { name: 'v', image: {} },
          { name: 'w', image: { reference: 'r', pullPolicy: 'x' } },
          { name: 'w', emptyDir: {} },
          { name: 'u', image: {}, emptyDir: {} },
        ],
      },
      {
        volumeMounts: [
          { name: 'v', mountPath: '/v' },
          { name: 'w', mountPath: '/w' },
        ],
      },
    ),
    [
      'spec.volumes[0].image.reference: Required value',
      'spec.volumes[1].image.pullPolicy: Unsupported value: "x": supported values: "Always", "IfNotPresent", "Never"',
      'spec.volumes[3].image: Forbidden: may not specify more than 1 volume type',
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
  ],
  [
    pod(
      { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
      {
        env: [
          { name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: '../a', key: 'a=b' } } },
          { name: 'B', valueFrom: { fileKeyRef: { volumeName: 'x', path: 'a', key: 'b' } } },
        ],
      },
    ),
    [
      'spec.containers[0].env[0].valueFrom.fileKeyRef.key: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
      'spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: "../a": must not contain \'..\'',
      'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be of type emptyDir',
      'spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName: Not found: "x"',
    ],
  ],
  [
    pod(
      { hostUsers: false, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] },
      {
        volumeMounts: [{ name: 'v', mountPath: '/d' }],
        volumeDevices: [
          { name: 'v', devicePath: '/d' },
          { name: 'v', devicePath: '/d' },
        ],
      },
    ),
    [
      'spec.containers[0].volumeMounts[0].name: Invalid value: "v": must not already exist in volumeDevices',
      'spec.containers[0].volumeMounts[0].mountPath: Invalid value: "/d": must not already exist as a path in volumeDevices',
      'spec.containers[0].volumeDevices[0].name: Invalid value: "v": must not already exist in volumeMounts',
      'spec.containers[0].volumeDevices[0].devicePath: Invalid value: "/d": must not already exist as a path in volumeMounts',
      'spec.containers[0].volumeDevices[1].name: Invalid value: "v": must be unique',
      'spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/d": must be unique',
      'spec.containers[0].volumeDevices[1].name: Invalid value: "v": must not already exist in volumeMounts',
      'spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/d": must not already exist as a path in volumeMounts',
      'spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false',
    ],
  ],
  [
    pod({}, { envFrom: [{ configMapRef: {} }, { secretRef: { name: 'A' } }] }),
    [
      'spec.containers[0].envFrom[0].configMapRef.name: Required value',
      `spec.containers[0].envFrom[1].secretRef.name: Invalid value: "A": ${SUBDOMAIN}`,
    ],
  ],
  [
    pod({}, { volumeMounts: [{ name: 'v', mountPath: '/v', mountPropagation: 'x', recursiveReadOnly: 'x' }] }),
    [
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
      'spec.containers[0].volumeMounts.mountPropagation: Unsupported value: "x": supported values: "Bidirectional", "HostToContainer", "None"',
      'spec.containers[0].volumeMounts.recursiveReadOnly: Unsupported value: "x": supported values: "Disabled", "Enabled", "IfPossible"',
    ],
  ],
  [
    pod({
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'ScheduleAnyway', minDomains: 0 }],
    }),
    [
      'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
    ],
  ],
];

const ROWS: readonly (readonly [Kind, object, readonly string[]])[] = [
  [deployments, { spec: { template } }, ['spec.selector: Required value', mismatch(labels)]],
  [
    deployments,
    { spec: { selector: broken, template } },
    [brokenOperator, `spec.selector: Invalid value: ${JSON.stringify({ ...broken })}: invalid label selector`],
  ],
  [
    statefulSets,
    { spec: { selector: broken, template } },
    [brokenOperator, `spec.selector: Invalid value: ${JSON.stringify({ ...broken })}`],
  ],
  [
    podTemplates,
    { template: { ...template, metadata: { labels: { a: 'é' }, annotations: { 'a b': '' } } } },
    [`template.labels: Invalid value: "é": ${LABEL_VALUE}`, `template.annotations: ${QUALIFIED('a b')}`],
  ],
  [
    replicationControllers,
    { spec: { selector: labels, template: {} } },
    [mismatch(null), 'spec.template.spec.containers: Required value'],
  ],
  [
    clusterRoles,
    { aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'x' }] }] } },
    [
      'aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "x": not a valid selector operator',
      'aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.',
    ],
  ],
  [
    nodes,
    {
      spec: {
        taints: [
          { key: '', effect: 'X' },
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', value: 'b', effect: 'NoSchedule' },
        ],
      },
    },
    [
      ...NAMELESS.map((error) => `metadata.taints[0].key: ${error}`),
      'metadata.taints[0].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'metadata.taints[2]: Duplicate value: {"Key":"a","Value":"b","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    ],
  ],
  [
    endpoints,
    { subsets: [{ addresses: [{ ip: '10.0.0.1', nodeName: 'N' }], ports: [{ port: 1, appProtocol: 'a b' }] }] },
    [
      `subsets[0].addresses[0].nodeName: Invalid value: "N": ${SUBDOMAIN}`,
      `subsets[0].ports[0].appProtocol: ${QUALIFIED('a b')}`,
    ],
  ],
  [
    endpointSlices,
    {
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.0.0.1'], hints: { forZones: [{ name: 'é' }, { name: 'é' }], forNodes: [{ name: 'N' }] } },
        {
          addresses: ['10.0.0.1'],
          hints: { forZones: Array.from({ length: 9 }, (_, name) => ({ name: `z${name}` })) },
        },
      ],
      ports: [{ port: 65536, appProtocol: 'a b' }],
    },
    [
      `endpoints[0].hints.forZones[0].name: Invalid value: "é": ${LABEL_VALUE}`,
      `endpoints[0].hints.forZones[1].name: Invalid value: "é": ${LABEL_VALUE}`,
      'endpoints[0].hints.forZones[1].name: Duplicate value: "é"',
      `endpoints[0].hints.forNodes[0].name: Invalid value: "N": ${SUBDOMAIN}`,
      'endpoints[1].hints.forZones: Too many: 9: must have at most 8 items',
      `ports[0].appProtocol: ${QUALIFIED('a b')}`,
    ],
  ],
  [
    services,
    { spec: { ports: [{}, { name: 'b', port: 2 }] } },
    [
      'spec.ports[0].name: Required value',
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  ],
  [
    resourceSlices,
    {
      spec: {
        ...{ driver: 'd', nodeName: 'n', pool: { name: 'p', resourceSliceCount: 1 } },
        sharedCounters: [{ name: 's' }],
      },
    },
    ['spec.sharedCounters[0].counters: Required value'],
  ],
  [ingresses, { spec: { defaultBackend: { service: { name: '1-a', port: { number: 80 } } } } }, []],
];

const REVIEW_ROWS: readonly (readonly [Kind, object, readonly string[]])[] = [
  [
    selfSubjectAccessReviews,
    {
      metadata: { name: 'x' },
      spec: {
        resourceAttributes: {
          fieldSelector: {
            requirements: [
              { key: '', operator: 'In' },
              { key: 'a', operator: 'Exists', values: ['b'] },
            ],
          },
          labelSelector: { rawSelector: 'a', requirements: [{ key: 'a', operator: 'newer', values: ['é'] }] },
        },
      },
    },
    [
      'spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified',
      "spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      "spec.resourceAttributes.fieldSelector.requirements[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      'spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a": may not specified at the same time as requirements',
      `spec.resourceAttributes.labelSelector.requirements[0].values[0]: Invalid value: "é": ${LABEL_VALUE}`,
      'metadata: Invalid value: {"name":"x"}: must be empty',
    ],
  ],
  [
    localSubjectAccessReviews,
    {
      metadata: { namespace: 'n', uid: 'u' },
      spec: { user: 'u', resourceAttributes: { namespace: 'n', labelSelector: {} } },
    },
    [
      'spec.resourceAttributes.labelSelector.requirements: Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required',
      'metadata: Invalid value: {"namespace":"n","uid":"u"}: must be empty except for namespace',
    ],
  ],
];

t.test('errors have the words, paths and order of upstream', async (t) => {
  const rows = [...POD_ROWS.map(([object, errors]) => [pods, object, errors] as const), ...ROWS, ...REVIEW_ROWS];
  for (const [kind, object, errors] of rows) {
    t.strictSame(refused(kind, object), errors, `${kind.kind} ${JSON.stringify(object)}`);
  }
});

t.test('names have the syntax that upstream asks for', async (t) => {
  const rows: readonly (readonly [Kind, name: string, prefix: boolean, valid: boolean])[] = [
    [services, '1-a', false, true],
    [services, 'a.b', false, false],
    [events, 'A_b', false, true],
    [events, 'a/b', false, false],
    [podDisruptionBudgets, 'A_b', false, true],
    [replicationControllers, 'A_b', true, true],
    [replicationControllers, 'A_b', false, false],
    [deviceClasses, 'A_b', true, true],
    [deviceClasses, 'a/b', true, false],
  ];
  for (const [kind, name, prefix, valid] of rows) {
    t.equal(kind.validateName(name, prefix).length === 0, valid, `${kind.kind} ${name}`);
  }
  const spec = {
    group: 'a.b',
    version: 'v1',
    groupPriorityMinimum: 1,
    versionPriority: 1,
    service: { namespace: 'n', name: 's' },
  };
  const problem = 'must be `spec.version+"."+spec.group`: "v1.a.b"';
  t.strictSame(refused(apiServices, { metadata: { name: 'x', generateName: 'y' }, spec }), [
    `metadata.generateName: Invalid value: "y": ${problem}`,
    `metadata.name: Invalid value: "x": ${problem}`,
  ]);
  t.strictSame(refused(apiServices, { metadata: {}, spec }), []);
});

t.test('of two ranges of a node that disagree, the older field is kept', async (t) => {
  const { spec } = decoded(nodes, { spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.2.0.0/24'] } });
  t.strictSame(spec, { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] });
});

t.test('whole structs are shown as upstream shows its own', async (t) => {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'a' };
  t.strictSame(refusedChange(roleBindings, { roleRef }, { roleRef: { ...roleRef, name: 'b' } }), [
    'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot change roleRef',
  ]);
  const spec = { minAvailable: 1, maxUnavailable: '5%', selector: { matchLabels: labels } };
  t.strictSame(refused(podDisruptionBudgets, { spec }), [
    'spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"a":"b"}},"MaxUnavailable":"5%","UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
  ]);
});

t.test('a service account refers to its secrets by name alone', async (t) => {
  const { secrets } = created(serviceAccounts, { secrets: [{ kind: 'Secret', name: 's', namespace: 'n' }] });
  t.strictSame(secrets, [{ name: 's' }]);
});

t.test('what is said twice is told once, and is two causes', async (t) => {
  const errors = [invalid('a', 1, 'is odd'), invalid('a', 1, 'is odd')];
  const { message, status } = invalidObject({ group: '', kind: 'Pod' }, 'x', errors);
  t.equal(message, 'Pod "x" is invalid: a: Invalid value: 1: is odd');
  t.equal(status.details?.causes?.length, 2);
});

t.test('an update cannot begin a deletion, and its creationTimestamp is ignored', async (t) => {
  const old = { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-02T03:04:05Z' };
  const meta = {
    ...old,
    creationTimestamp: '2026-01-01T00:00:00Z',
    deletionTimestamp: '2026-01-02T03:04:05Z',
    deletionGracePeriodSeconds: 3,
  };
  inheritMetadata(meta, old);
  const errors = validateObjectMetaUpdate(meta, old, { validateName: () => [] }).map(
    ({ field, message }) => `${field}: ${message}`,
  );
  t.strictSame(errors, [
    'metadata.deletionTimestamp: Invalid value: "2026-01-02T03:04:05Z": field is immutable',
    'metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable',
  ]);
});

t.test('what nodes are required to have is the value of a label, unless it was accepted once', async (t) => {
  const requires = (value: string) => {
    const nodeSelectorTerms = [{ matchExpressions: [{ key: 'k', operator: 'In', values: [value] }] }];
    const requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms };
    return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution } } };
  };
  const deployment = (value: string) => {
    const { metadata, spec } = template;
    return {
      spec: { selector: { matchLabels: labels }, template: { metadata, spec: { ...spec, ...requires(value) } } },
    };
  };
  const at = 'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]';
  const said = `${at}.matchExpressions[0].values[0]: Invalid value: "*": ${LABEL_VALUE}`;
  t.strictSame(refused(pods, pod(requires('*'))), [`spec.${said}`]);
  t.strictSame(refused(deployments, deployment('*')), [`spec.template.spec.${said}`]);
  t.strictSame(refusedChange(deployments, deployment('a'), deployment('*')), [`spec.template.spec.${said}`]);
  t.strictSame(refusedChange(deployments, deployment('/'), deployment('*')), []);
});

t.test('values of another type are told of as Go does', async (t) => {
  const told = (kind: Kind, manifest: object): string => {
    try {
      decoded(kind, manifest);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(told(pods, pod({}, { resources: { limits: { cpu: {} } } })), /quantities must match the regular expression/);
  t.match(
    told(pods, pod({}, { resources: { limits: { cpu: ['5'] } } })),
    /quantities must match the regular expression/,
  );
  t.match(told(pods, pod({}, { livenessProbe: { tcpSocket: { port: true } } })), /bool into .*\.port of type int32/);
  for (const [data, byte] of [
    ['x', 0],
    ['UPPER', 4],
    ['AA-A', 2],
  ] as const)
    t.match(told(configMaps, { binaryData: { data } }), new RegExp(`illegal base64 data at input byte ${byte}$`));
});
