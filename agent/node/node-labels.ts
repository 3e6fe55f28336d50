/** Labels and taints that the Node is registered with. */
import { arch } from 'node:os';
import { validateLabelValue, validateQualifiedName } from '../../api/machinery/names.ts';
import { setOwn } from '../../api/machinery/own.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';
import type { Taint } from '../../api/types/core/v1.gen.ts';

/** GOARCH, the name of the architecture in Kubernetes. */
export function goArchitecture(name = arch()): string {
  if (name === 'x64') return 'amd64';
  if (name === 'ia32') return '386';
  return name;
}

export const standardLabels = (nodeName: string): Record<string, string> => ({
  'beta.kubernetes.io/arch': goArchitecture(),
  'beta.kubernetes.io/os': 'linux',
  'kubernetes.io/arch': goArchitecture(),
  'kubernetes.io/hostname': nodeName,
  'kubernetes.io/os': 'linux',
});

/** Throws SettingValueError for labels that an api-server rejects. */
function checkSyntax(text: string, key: string, value: string): void {
  const [problem] = [...validateQualifiedName(key), ...validateLabelValue(value)];
  if (problem !== undefined) throw new SettingValueError(`${JSON.stringify(text)}: ${problem}`);
}

/** `key=value`. Throws SettingValueError for anything else. */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of texts) {
    const [, key, value] = /^([^=]+)=([^=]*)$/.exec(text) ?? [];
    if (key === undefined || value === undefined)
      throw new SettingValueError(`${JSON.stringify(text)} is not key=value`);
    checkSyntax(text, key, value);
    setOwn(labels, key, value);
  }
  return labels;
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

/** `key=value:effect` or `key:effect`. Throws SettingValueError for anything else. */
export function parseTaints(texts: readonly string[]): Taint[] {
  return texts.map((text) => {
    const [, key, value, effectText] = /^([^=:]+)(?:=([^:]*))?:(.+)$/.exec(text) ?? [];
    const effect = EFFECTS.find((known) => known === effectText);
    if (key === undefined || effect === undefined)
      throw new SettingValueError(
        `${JSON.stringify(text)} is not key=value:effect with one of the effects ${EFFECTS.join(', ')}`,
      );
    checkSyntax(text, key, value ?? '');
    return { key, effect, ...(value && { value }) };
  });
}
