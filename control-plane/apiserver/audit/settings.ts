/** The settings of the audit log: upstream's flags by the same names. */
import { formatDuration, parseDuration } from '../../../api/machinery/duration.ts';
import { aboveZero, integerFrom, oneOf, type SettingRules } from '../../../daemon/setting-rules.ts';

const SECOND_MS = 1000;
const MEGABYTE = 1024 * 1024;

export const auditDefaults = {
  auditPolicyFile: '',
  auditLogPath: '',
  auditLogMaxage: 366,
  auditLogMaxbackup: 100,
  auditLogMaxsize: 100,
  auditLogFormat: 'json',
  auditLogCompress: false,
  auditWebhookConfigFile: '',
  auditWebhookBatchBufferSize: 10_000,
  auditWebhookBatchMaxSize: 400,
  auditWebhookBatchMaxWait: formatDuration(30 * SECOND_MS),
  auditWebhookBatchThrottleQps: 10,
  auditWebhookBatchThrottleBurst: 15,
  auditWebhookInitialBackoff: formatDuration(10 * SECOND_MS),
};

export type AuditSettings = Readonly<typeof auditDefaults>;

export const auditHelp: Readonly<Record<keyof AuditSettings, string>> = {
  auditPolicyFile:
    'file with the audit policy, audit.k8s.io/v1 Policy (docs/audit.md); no requests are recorded without one',
  auditLogPath: 'file to write audit events to, a line each; - for the standard output',
  auditLogMaxage: 'days for which rotated audit logs are kept; 0: for ever',
  auditLogMaxbackup: 'rotated audit logs that are kept; 0: all',
  auditLogMaxsize: 'megabytes of an audit log before it is rotated; 0: it is not',
  auditLogFormat: 'json or legacy, which is one line of text per event',
  auditLogCompress: 'compress rotated audit logs',
  auditWebhookConfigFile: 'kubeconfig file of a webhook to send audit events to',
  auditWebhookBatchBufferSize: 'audit events that wait to be sent at most',
  auditWebhookBatchMaxSize: 'audit events of a batch at most',
  auditWebhookBatchMaxWait: 'how long an audit event waits for a batch to be full, as 30s',
  auditWebhookBatchThrottleQps: 'batches of audit events per second',
  auditWebhookBatchThrottleBurst: 'batches of audit events at once, after a pause',
  auditWebhookInitialBackoff: 'how long to wait before a failed batch is sent again, as 10s',
};

const durationAboveZero = (value: string): string | undefined =>
  (parseDuration(value) ?? 0) > 0 ? undefined : `must be a duration such as 30s, not ${JSON.stringify(value)}`;

const withPolicy = (file: string, { auditPolicyFile }: AuditSettings): string | undefined =>
  file !== '' && auditPolicyFile === '' ? 'needs an --audit-policy-file, without which nothing is recorded' : undefined;

export const auditRules: SettingRules<AuditSettings> = {
  auditLogPath: withPolicy,
  auditLogMaxage: integerFrom(0),
  auditLogMaxbackup: integerFrom(0),
  auditLogMaxsize: integerFrom(0),
  auditLogFormat: oneOf('json', 'legacy'),
  auditWebhookConfigFile: withPolicy,
  auditWebhookBatchBufferSize: integerFrom(1),
  auditWebhookBatchMaxSize: integerFrom(1),
  auditWebhookBatchMaxWait: durationAboveZero,
  auditWebhookBatchThrottleQps: aboveZero,
  auditWebhookBatchThrottleBurst: integerFrom(1),
  auditWebhookInitialBackoff: durationAboveZero,
};

/** Milliseconds of a valid setting. */
export const durationMs = (value: string): number => parseDuration(value) ?? 0;
export const bytesOf = (megabytes: number): number => megabytes * MEGABYTE;
