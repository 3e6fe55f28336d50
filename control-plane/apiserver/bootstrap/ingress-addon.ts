import { CONTROL_PLANE_LABEL } from '../../../api/domain/control-plane-node.ts';
import {
  INGRESS_CLASS,
  INGRESS_CONTROLLER,
  INGRESS_IMAGE,
  INGRESS_NAMESPACE,
  INGRESS_REPOSITORY,
  INGRESS_UID,
} from '../../../api/domain/ingress-addon.ts';
import { CLUSTER_CRITICAL } from '../../../api/domain/system-priority.ts';
import { daemonSets } from '../../../api/kinds/apps/daemon-set.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { ingressClasses, isDefaultIngressClass } from '../../../api/kinds/networking/ingress-class.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { own } from '../../../api/machinery/own.ts';
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import type { DaemonSet } from '../../../api/types/apps/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { makeOnce } from './made-once.ts';

type Api = Pick<LocalApi, 'get' | 'list' | 'create' | 'update'>;

const NAME = INGRESS_NAMESPACE;
const LABELS = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/managed-by': 'kedge' };
const SELECTOR = { 'app.kubernetes.io/name': NAME };
const SUBJECTS = [{ kind: 'ServiceAccount', name: NAME, namespace: NAME }];
const RBAC = 'rbac.authorization.k8s.io';
const STATUS_PORT = 10_254;
const PORTS = [
  { name: 'http', containerPort: 80, hostPort: 80 },
  { name: 'https', containerPort: 443, hostPort: 443 },
  { name: 'status', containerPort: STATUS_PORT, hostPort: STATUS_PORT },
];

/** Makes what the controller of Ingresses needs, once in the life of a cluster: what is there is left as it is. Throws StatusError. */
export const offerIngress = (api: Api): Promise<void> =>
  makeOnce(api, 'kedge.io/ingress', async () => {
    const metadata = { name: NAME, labels: LABELS };
    const inNamespace = { ...metadata, namespace: NAME };
    const make = async <T extends KubeObject>(kind: Kind<T>, object: T): Promise<void> => {
      try {
        await api.create(kind, object);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    };
    await make(namespaces, {
      // Host network and ports below 1024.
      metadata: { ...metadata, labels: { ...LABELS, 'pod-security.kubernetes.io/enforce': 'privileged' } },
    });
    await make(serviceAccounts, { metadata: inNamespace });
    await make(clusterRoles, {
      metadata,
      rules: [
        { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: ['list', 'watch'] },
        { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] },
        { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
        // Those that Ingresses name are read one by one: nobody can list them with this account.
        { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
        { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
      ],
    });
    await make(clusterRoleBindings, {
      metadata,
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: NAME },
      subjects: SUBJECTS,
    });
    await make(roles, {
      metadata: inNamespace,
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
        { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update', 'patch'] },
      ],
    });
    await make(roleBindings, {
      metadata: inNamespace,
      roleRef: { apiGroup: RBAC, kind: 'Role', name: NAME },
      subjects: SUBJECTS,
    });
    await make(ingressClasses, {
      metadata: {
        name: INGRESS_CLASS,
        labels: LABELS,
        annotations: {
          'ingressclass.kubernetes.io/is-default-class': String(!api.list(ingressClasses).some(isDefaultIngressClass)),
        },
      },
      spec: { controller: INGRESS_CONTROLLER },
    });
    await make(daemonSets, daemonSet(inNamespace));
  });

/** A node lists this many of its images at most: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ (nodeStatusMaxImages) */
const MAX_LISTED_IMAGES = 50;

/** Tags of images that another one has taken the place of, latest first: two servers of different packages would take turns otherwise. */
const REPLACED_IMAGES = 'kedge.io/replaced-images';
const MAX_REPLACED = 10;

/**
 * Has the DaemonSet run the image that this server's package carries, once every node has it: agents are upgraded after servers. An image of
 * somebody else's is left alone, and one that has been replaced does not come back by itself. Throws StatusError.
 */
export async function followIngressImage(api: Api, image: string = INGRESS_IMAGE): Promise<void> {
  const present = api.get(daemonSets, NAME, NAME);
  const pod = present?.spec?.template.spec;
  const isOld = (running: string | undefined): boolean =>
    running !== undefined && running.startsWith(`${INGRESS_REPOSITORY}:`) && running !== image;
  if (!present?.spec || !pod?.containers?.some((container) => isOld(container.image))) return;
  const tagOf = (name: string): string => name.slice(INGRESS_REPOSITORY.length + 1);
  const { annotations } = present.metadata ?? {};
  const replaced = (own(annotations, REPLACED_IMAGES) ?? '').split(',').filter((tag) => tag !== '');
  if (replaced.includes(tagOf(image))) return;
  const mayHave = (images: readonly { readonly names?: readonly string[] | null | undefined }[]): boolean =>
    images.length >= MAX_LISTED_IMAGES || images.some(({ names }) => names?.includes(image) === true);
  if (!api.list(nodes).every(({ status }) => mayHave(status?.images ?? []))) return;
  const containers = pod.containers.map((each) => (isOld(each.image) ? { ...each, image } : each));
  const template = { ...present.spec.template, spec: { ...pod, containers } };
  const old = pod.containers.flatMap((each) => (isOld(each.image) ? [tagOf(each.image ?? '')] : []));
  const tags = [...new Set([...old, ...replaced])].slice(0, MAX_REPLACED);
  const metadata = { ...present.metadata, annotations: { ...annotations, [REPLACED_IMAGES]: tags.join(',') } };
  await api.update(daemonSets, { ...present, metadata, spec: { ...present.spec, template } });
}

const probe = (periodSeconds: number) => ({
  httpGet: { path: '/healthz', port: STATUS_PORT },
  periodSeconds,
  timeoutSeconds: 5,
});

const daemonSet = (metadata: DaemonSet['metadata']): DaemonSet => ({
  metadata,
  spec: {
    selector: { matchLabels: SELECTOR },
    // The ports of the host are free when the pod before is gone.
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
    template: {
      metadata: { labels: LABELS },
      spec: {
        serviceAccountName: NAME,
        hostNetwork: true,
        dnsPolicy: 'ClusterFirstWithHostNet',
        priorityClassName: CLUSTER_CRITICAL.name,
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        tolerations: [{ key: CONTROL_PLANE_LABEL, operator: 'Exists', effect: 'NoSchedule' }],
        terminationGracePeriodSeconds: 30,
        securityContext: {
          ...{ runAsNonRoot: true, runAsUser: INGRESS_UID, runAsGroup: INGRESS_UID, fsGroup: INGRESS_UID },
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: 'controller',
            image: INGRESS_IMAGE,
            imagePullPolicy: 'IfNotPresent',
            ports: PORTS,
            resources: { requests: { cpu: '50m', memory: '128Mi' } },
            readinessProbe: probe(5),
            livenessProbe: { ...probe(20), initialDelaySeconds: 30 },
            securityContext: {
              // The program haproxy in the image has this one capability: it is how a user other than root gets it in the host's network.
              allowPrivilegeEscalation: true,
              capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
              readOnlyRootFilesystem: true,
            },
            volumeMounts: [
              { name: 'run', mountPath: '/run/kedge-ingress' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          // Keys of certificates are in it.
          { name: 'run', emptyDir: { medium: 'Memory' } },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
  },
});
