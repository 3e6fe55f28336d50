/** Which controllers run: the setting `controllers`, in the syntax of kube-controller-manager's `--controllers`. */

/** All that there are. Known without loading them: the settings are checked in every process, whatever its roles. */
export const CONTROLLER_NAMES = [
  'bootstrap-signer-controller',
  'certificatesigningrequest-approving-controller',
  'certificatesigningrequest-cleaner-controller',
  'certificatesigningrequest-signing-controller',
  'cloud-node-controller',
  'cronjob-controller',
  'daemonset-controller',
  'deployment-controller',
  'disruption-controller',
  'endpointslice-controller',
  'endpointslice-mirroring-controller',
  'ephemeral-volume-controller',
  'resourceclaim-controller',
  'garbage-collector-controller',
  'horizontal-pod-autoscaler-controller',
  'job-controller',
  'legacy-serviceaccount-token-cleaner-controller',
  'local-path-provisioner',
  'namespace-controller',
  'nfs-provisioner',
  'node-ipam-controller',
  'node-lifecycle-controller',
  'persistentvolume-attach-detach-controller',
  'persistentvolume-binder-controller',
  'persistentvolume-expander-controller',
  'persistentvolume-protection-controller',
  'persistentvolumeclaim-protection-controller',
  'pod-garbage-collector-controller',
  'replicaset-controller',
  'replicationcontroller-controller',
  'resourcequota-controller',
  'root-ca-certificate-publisher-controller',
  'service-lb-announcer-controller',
  'service-lb-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'statefulset-controller',
  'taint-eviction-controller',
  'token-cleaner-controller',
  'ttl-after-finished-controller',
  'volumeattributesclass-protection-controller',
] as const;

const ALL = '*';
export const ALL_CONTROLLERS: readonly string[] = [ALL];

/** `*` selects all, `NAME` one, `-NAME` all but that one; of several that are about a controller, the first that names it decides. */
export function isSelected(name: string, selection: readonly string[]): boolean {
  const first = selection.find((item) => item === name || item === `-${name}`);
  return first === undefined ? selection.includes(ALL) : first === name;
}

/** As the rest of a sentence that begins with the setting; undefined when the selection is valid. */
export function selectionProblem(selection: readonly string[]): string | undefined {
  const unknown = selection.find(
    (item) => item !== ALL && !CONTROLLER_NAMES.some((name) => item === name || item === `-${name}`),
  );
  if (unknown !== undefined)
    return `must list "*", names of controllers or these with a leading "-", and ${JSON.stringify(unknown)} is none of them; the names are ${CONTROLLER_NAMES.join(', ')}`;
  if (!CONTROLLER_NAMES.some((name) => isSelected(name, selection)))
    return 'must leave some controller; without any, remove controllers from the roles';
  return undefined;
}
