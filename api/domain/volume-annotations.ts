/** Annotations by which claims, volumes, the binder, the scheduler and provisioners tell each other how far they are. */

/** On a claim: its volume is bound to it. */
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
/** On a claim or volume: it was the binder that chose the other. */
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** On a volume: the provisioner that made it, and that deletes it. */
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
/** On a claim: who is to provision its volume, with the name it had before v1.23. */
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
export const BETA_STORAGE_PROVISIONER = 'volume.beta.kubernetes.io/storage-provisioner';
/** On a claim that waits for its first consumer: the node that the scheduler has chosen for it. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** The class of a claim or volume before there was a field for it. */
export const BETA_STORAGE_CLASS = 'volume.beta.kubernetes.io/storage-class';
/** The mount options of a volume, joined by commas, before there was a field for them. */
export const BETA_MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options';
