/** The settings of PodSecurity. */
import { SettingValueError } from '../../../../daemon/setting-rules.ts';
import { parsePolicy, type LevelVersion } from './policy.ts';
import type { PodSecurityOptions } from './pod-security.ts';

/** Reads `baseline:latest` or `restricted:v1.36`. Throws SettingValueError. */
export function readLevelVersion(text: string): LevelVersion {
  const policy = parsePolicy(text);
  if (policy) return policy;
  throw new SettingValueError(`${JSON.stringify(text)} is not a level and its version, such as baseline:latest`);
}

export interface PodSecuritySettings {
  readonly podSecurityEnforce: string;
  readonly podSecurityAudit: string;
  readonly podSecurityWarn: string;
  readonly podSecurityExemptUsernames: readonly string[];
  readonly podSecurityExemptRuntimeClasses: readonly string[];
  readonly podSecurityExemptNamespaces: readonly string[];
}

/** Throws SettingValueError. */
export const podSecurityOptions = (settings: PodSecuritySettings): PodSecurityOptions => ({
  defaults: {
    enforce: readLevelVersion(settings.podSecurityEnforce),
    audit: readLevelVersion(settings.podSecurityAudit),
    warn: readLevelVersion(settings.podSecurityWarn),
  },
  exemptUsernames: settings.podSecurityExemptUsernames,
  exemptRuntimeClasses: settings.podSecurityExemptRuntimeClasses,
  exemptNamespaces: settings.podSecurityExemptNamespaces,
});
