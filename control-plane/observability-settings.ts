/** Settings of what can be seen of the server from outside, by upstream's names. */
import type { SettingRules } from '../daemon/setting-rules.ts';

export const observabilityDefaults = {
  tracingConfigFile: '',
  profiling: true,
};

export type ObservabilitySettings = Readonly<typeof observabilityDefaults>;

export const observabilityHelp: Readonly<Record<keyof ObservabilitySettings, string>> = {
  tracingConfigFile:
    'file that says where traces of requests are sent and how many, apiserver.config.k8s.io/v1 TracingConfiguration (docs/monitoring.md); nothing is traced without one',
  profiling: 'serve CPU profiles and heap snapshots below /debug/pprof/, to administrators',
};

export const observabilityRules: SettingRules<ObservabilitySettings> = {};
