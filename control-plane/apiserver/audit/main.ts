/** The audit log, put together from its settings. */
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import type { Logger } from '../../../client/logger.ts';
import { loadConfiguration } from '../../../daemon/configuration-file.ts';
import { KubeconfigWebhook } from '../http/kubeconfig-webhook.ts';
import { Auditor } from './auditor.ts';
import { AuditLog } from './log-file.ts';
import { AuditPolicy } from './policy.ts';
import { bytesOf, durationMs, type AuditSettings } from './settings.ts';
import type { AuditSink } from './sink.ts';
import { AuditWebhook } from './webhook.ts';

/** Undefined when nothing is to be recorded. Rejects with what is wrong with the files that the settings name. */
export async function openAudit(settings: AuditSettings, logger: Logger): Promise<Auditor | undefined> {
  const { auditPolicyFile, auditLogPath, auditWebhookConfigFile } = settings;
  if (!auditPolicyFile) return undefined;
  const policy = await loadConfiguration(auditPolicyFile, 'audit policy', (text) => AuditPolicy.read(text));
  const sinks: AuditSink[] = [];
  // First, since it cannot be left open by a failure of the other.
  if (auditWebhookConfigFile) sinks.push(await openWebhook(settings, logger));
  if (auditLogPath) sinks.push(await openLog(settings, logger));
  if (sinks.length > 0) return new Auditor(policy, sinks);
  logger.warn(
    { policy: auditPolicyFile },
    'nothing is audited: neither audit-log-path nor audit-webhook-config-file is set',
  );
  return undefined;
}

const openLog = (settings: AuditSettings, logger: Logger): Promise<AuditLog> =>
  AuditLog.open({
    path: settings.auditLogPath,
    maxBytes: bytesOf(settings.auditLogMaxsize),
    maxBackups: settings.auditLogMaxbackup,
    maxAgeDays: settings.auditLogMaxage,
    format: settings.auditLogFormat === 'legacy' ? 'legacy' : 'json',
    compress: settings.auditLogCompress,
    logger,
  });

const openWebhook = async (settings: AuditSettings, logger: Logger): Promise<AuditWebhook> =>
  new AuditWebhook({
    webhook: new KubeconfigWebhook(await loadKubeconfig(settings.auditWebhookConfigFile)),
    bufferSize: settings.auditWebhookBatchBufferSize,
    maxBatchSize: settings.auditWebhookBatchMaxSize,
    maxWaitMs: durationMs(settings.auditWebhookBatchMaxWait),
    throttleQps: settings.auditWebhookBatchThrottleQps,
    throttleBurst: settings.auditWebhookBatchThrottleBurst,
    initialBackoffMs: durationMs(settings.auditWebhookInitialBackoff),
    logger,
  });
