/** What the controller of Jobs notes on their pods. https://kubernetes.io/docs/reference/labels-annotations-taints/ */

/** Keeps a pod of a Job until it has been counted. */
export const JOB_TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking';
/** Annotation and label of a pod of an indexed Job. */
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index';
/** Annotations, with `backoffLimitPerIndex`: how many pods of the index have failed before this one, counted or ignored. */
export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count';
export const INDEX_IGNORED_FAILURES = 'batch.kubernetes.io/job-index-ignored-failure-count';
/** `spec.managedBy` of Jobs that this controller manages: the default. */
export const JOB_CONTROLLER = 'kubernetes.io/job-controller';
/** Annotation of a CronJob's Job: the time that it was scheduled for. */
export const SCHEDULED_TIMESTAMP = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
