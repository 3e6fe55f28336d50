import { actionSubresource, statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import type { Kind } from '../../machinery/kind.ts';
import { evictions } from '../policy/eviction.ts';
import { bindings } from './binding.ts';
import { podColumns } from './pod-columns.ts';
import { applyPodDefaults } from './pod-defaults.ts';
import { podAttach, podExec, podPortForward } from './pod-stream-options.ts';
import { prepareResize, RESIZABLE, resizedPod, validateResize } from './pod-resize.ts';
import {
  podGraceSeconds,
  prepareEphemeralContainersUpdate,
  preparePodForCreate,
  preparePodForStatusUpdate,
  preparePodForUpdate,
} from './pod-strategy.ts';
import {
  validateEphemeralContainersUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
} from './pod-update-validation.ts';
import { validatePod } from './pod-validation.ts';
import { podNameWarnings, podStatusWarnings, podWarnings } from './pod-warnings.ts';
import { podProxy } from './proxy-options.ts';
import { Pod } from '../../types/core/v1.gen.ts';

export const pods: Kind<Pod> = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  schema: Pod,
  returnDeletedObject: true,
  subresources: [
    podAttach,
    actionSubresource('pods/binding', bindings, true),
    {
      name: 'ephemeralcontainers',
      verbs: ['get', 'patch', 'update'],
      update: {
        // The right to add such containers is not the right to relabel the pod or to remove its finalizers.
        merge: (wanted, old) => ({ ...wanted, metadata: { ...old.metadata } }),
        owns: ['spec.ephemeralContainers'],
        prepare: prepareEphemeralContainersUpdate,
        validate: (pod, old) => [...pods.validate(pod, old), ...validateEphemeralContainersUpdate(pod, old)],
      },
    },
    actionSubresource('pods/eviction', evictions),
    podExec,
    { name: 'log', stream: 'pods/log', verbs: ['get'] },
    podPortForward,
    podProxy,
    {
      name: 'resize',
      verbs: ['get', 'patch', 'update'],
      update: {
        merge: resizedPod,
        owns: RESIZABLE,
        prepare: prepareResize,
        validate: (pod, old) => validateResize(pod, old, pods.validate(pod, old)),
      },
    },
    statusSubresource({
      resets: ['spec', 'metadata.deletionTimestamp', 'metadata.ownerReferences'],
      prepare: preparePodForStatusUpdate,
      validate: validatePodStatusUpdate,
      warnings: podStatusWarnings,
    }),
  ],
  hasGeneration: true,
  deletion: { graceSeconds: podGraceSeconds },
  columns: podColumns,
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec?.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec?.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec?.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec?.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  applyDefaults: applyPodDefaults,
  prepareForCreate: preparePodForCreate,
  prepareForUpdate: preparePodForUpdate,
  validate: validatePod,
  validateUpdate: validatePodUpdate,
  // Updates are made by machines, and are many.
  warnings: ({ metadata, spec }, old) => (old ? [] : [...podNameWarnings(metadata), ...podWarnings(spec, metadata)]),
});
