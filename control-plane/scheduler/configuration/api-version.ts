/** The API of the configuration file: https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/ */
export const API_VERSION = 'kubescheduler.config.k8s.io/v1';
export const KIND = 'KubeSchedulerConfiguration';
