/** Columns that validating and mutating policies, and their bindings, have in common. */
import { text } from '../../machinery/columns.ts';
import { compareText } from '../../machinery/compare-text.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import type { ParamKind, ParamRef } from '../../types/admissionregistration/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

const UNSET = '<unset>';

interface WithParamKind extends KubeObject {
  spec?: { paramKind?: ParamKind };
}

export const paramKindColumn = <T extends WithParamKind>(): Column<T> =>
  text('ParamKind', ({ spec }) => {
    const { apiVersion = '', kind = '' } = spec?.paramKind ?? {};
    return spec?.paramKind ? `${apiVersion}/${kind}` : UNSET;
  });

interface WithParamRef extends KubeObject {
  spec?: { policyName?: string; paramRef?: ParamRef };
}

export const policyNameColumn = <T extends WithParamRef>(): Column<T> =>
  text('PolicyName', ({ spec }) => spec?.policyName ?? '');

export const paramRefColumn = <T extends WithParamRef>(): Column<T> =>
  text('ParamRef', ({ spec }) => {
    const { name, namespace, selector } = spec?.paramRef ?? {};
    if (name) return `${namespace || '*'}/${name}`;
    return selector ? shownSelector(selector) : UNSET;
  });

/** As Go prints the struct: upstream's column has it so. */
function shownSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => compareText(a, b))
    .map(([key, value]) => `${key}: ${value},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
