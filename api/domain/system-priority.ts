/** The priority classes that every cluster has: https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/ */
export const CLUSTER_CRITICAL = { name: 'system-cluster-critical', value: 2_000_000_000 };
export const NODE_CRITICAL = { name: 'system-node-critical', value: 2_000_001_000 };
