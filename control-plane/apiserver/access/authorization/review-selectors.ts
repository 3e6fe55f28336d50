/**
 * The selectors of a list or watch as access reviews have them, and as text, which is what requests have. A requirement that cannot be told
 * is left out: selectors only narrow what is asked for, so that the question is then about more, as upstream has it.
 */
import { validateLabelValue, validateQualifiedName } from '../../../../api/machinery/names.ts';
import { parseFieldSelector, parseLabelSelector, SelectorError } from '../../../../api/machinery/selectors.ts';
import type { FieldSelectorAttributes, LabelSelectorAttributes } from '../../../../api/types/authorization/v1.gen.ts';
import type { FieldSelectorRequirement, LabelSelectorRequirement } from '../../../../api/types/meta/v1.gen.ts';

const FIELD = /^[^=!,\\]+$/;
const escapedValue = (value: string): string => value.replace(/[\\,=]/g, '\\$&');

/** '' for none. */
export function fieldSelectorText(selector: FieldSelectorAttributes | undefined): string {
  if (selector?.rawSelector) return selector.rawSelector;
  return (selector?.requirements ?? [])
    .flatMap(({ key, operator, values = [] }) => {
      const [value, ...others] = values;
      if (!FIELD.test(key) || value === undefined || others.length > 0) return [];
      if (operator === 'In') return [`${key}=${escapedValue(value)}`];
      return operator === 'NotIn' ? [`${key}!=${escapedValue(value)}`] : [];
    })
    .join(',');
}

/** '' for none. */
export function labelSelectorText(selector: LabelSelectorAttributes | undefined): string {
  if (selector?.rawSelector) return selector.rawSelector;
  return (selector?.requirements ?? [])
    .flatMap(({ key, operator, values = [] }) => {
      // What is no label could be read as another requirement.
      if (validateQualifiedName(key).length > 0 || values.some((one) => validateLabelValue(one).length > 0)) return [];
      switch (operator) {
        case 'In':
          return values.length > 0 ? [`${key} in (${values.join(',')})`] : [];
        case 'NotIn':
          return values.length > 0 ? [`${key} notin (${values.join(',')})`] : [];
        case 'Exists':
          return [key];
        case 'DoesNotExist':
          return [`!${key}`];
        default:
          return [];
      }
    })
    .join(',');
}

/** @param text as a request has it; undefined when it requires nothing, or cannot be parsed */
export const fieldRequirements = (text: string | undefined): FieldSelectorRequirement[] | undefined =>
  parsed(text, (selector) =>
    parseFieldSelector(selector).map(({ field, equal, value }) => ({
      key: field,
      operator: equal ? 'In' : 'NotIn',
      values: [value],
    })),
  );

/** Likewise. */
export const labelRequirements = (text: string | undefined): LabelSelectorRequirement[] | undefined =>
  parsed(text, (selector) =>
    parseLabelSelector(selector).requirements.flatMap(({ key, operator, values }): LabelSelectorRequirement[] => {
      switch (operator) {
        case '=':
        case 'in':
          return [{ key, operator: 'In', values: [...values] }];
        case '!=':
        case 'notin':
          return [{ key, operator: 'NotIn', values: [...values] }];
        case 'exists':
          return [{ key, operator: 'Exists' }];
        case '!':
          return [{ key, operator: 'DoesNotExist' }];
        case 'gt':
        case 'lt':
          return [];
      }
    }),
  );

function parsed<T>(text: string | undefined, parse: (text: string) => T[]): T[] | undefined {
  if (!text) return undefined;
  try {
    const requirements = parse(text);
    return requirements.length > 0 ? requirements : undefined;
  } catch (error) {
    // The list or watch itself rejects it.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
