/**
 * How whoever knows the hosts, a cloud's controllers or the inventory of a data center, and the agents speak about Nodes.
 * https://kubernetes.io/docs/tasks/administer-cluster/running-cloud-controller/
 */

/** The taint that agents register Nodes with which have to be initialized; who has done so removes it. */
export const UNINITIALIZED_TAINT = 'node.cloudprovider.kubernetes.io/uninitialized';
/** The taint of Nodes whose host is shut down. */
export const SHUTDOWN_TAINT = 'node.cloudprovider.kubernetes.io/shutdown';
/** The annotation with the addresses that the host itself was told to have. */
export const PROVIDED_NODE_IP = 'alpha.kubernetes.io/provided-node-ip';
export const INSTANCE_TYPE_LABEL = 'node.kubernetes.io/instance-type';
