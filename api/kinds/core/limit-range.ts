import { randomUUID } from 'node:crypto';
import { isOvercommitAllowed } from '../../domain/resource-names.ts';
import { createdColumn, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { duplicate, type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { own, setOwn } from '../../machinery/own.ts';
import { compareQuantities, quantityMilliValue } from '../../machinery/quantity.ts';
import { LimitRange, type LimitRangeItem } from '../../types/core/v1.gen.ts';
import { validateContainerResourceName, validateResourceName } from './resource-validation.ts';

const STANDARD_TYPES = new Set(['Pod', 'Container', 'PersistentVolumeClaim']);
const AMOUNTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

type Amounts = Record<string, string>;

function addMissing(amounts: Amounts, more: Amounts | undefined): void {
  for (const name in more) if (!Object.hasOwn(amounts, name)) setOwn(amounts, name, more[name] ?? '0');
}

/** The default limit is the maximum; the default request is the default limit, or else the minimum. */
function applyDefaults(limit: LimitRangeItem): void {
  if (limit.type !== 'Container') return;
  const limits = (limit.default ??= {});
  const requests = (limit.defaultRequest ??= {});
  addMissing(limits, limit.max);
  addMissing(requests, limits);
  addMissing(requests, limit.min);
  if (Object.keys(limits).length === 0) delete limit.default;
  if (Object.keys(requests).length === 0) delete limit.defaultRequest;
}

function validateType(type: string, at: string, errors: FieldError[]): void {
  const problems = validateQualifiedName(type);
  for (const problem of problems) errors.push(invalid(at, type, problem));
  if (problems.length === 0 && !type.includes('/') && !STANDARD_TYPES.has(type)) {
    errors.push(invalid(at, type, 'must be a standard limit type or fully qualified'));
  }
}

/** The amounts of one resource must be consistent. */
function validateResource(limit: LimitRangeItem, name: string, path: string, errors: FieldError[]): void {
  const [min, max, ratio] = [own(limit.min, name), own(limit.max, name), own(limit.maxLimitRequestRatio, name)];
  const isPod = limit.type === 'Pod';
  const defaulted = isPod ? undefined : own(limit.default, name);
  const request = isPod ? undefined : own(limit.defaultRequest, name);
  const above = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && compareQuantities(a, b) > 0;
  const refuse = (field: (typeof AMOUNTS)[number], value: string | undefined, why: string): void => {
    errors.push(invalid(`${path}.${field}[${name}]`, value, why));
  };

  if (above(min, max)) refuse('min', min, `min value ${min} is greater than max value ${max}`);
  if (above(min, request)) {
    refuse('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
  }
  if (above(request, max)) {
    refuse('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
  }
  if (above(request, defaulted)) {
    refuse(
      'defaultRequest',
      request,
      `default request value ${request} is greater than default limit value ${defaulted}`,
    );
  }
  if (above(min, defaulted)) refuse('default', min, `min value ${min} is greater than default value ${defaulted}`);
  if (above(defaulted, max)) refuse('default', max, `default value ${defaulted} is greater than max value ${max}`);
  if (ratio !== undefined) {
    if (compareQuantities(ratio, '1') < 0) refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`);
    if (min !== undefined && max !== undefined) {
      const widest = quantityMilliValue(max) / quantityMilliValue(min);
      if (quantityMilliValue(ratio) / 1000 > widest) {
        refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`);
      }
    }
  }
  if (defaulted === undefined || request === undefined || isOvercommitAllowed(name)) return;
  if (compareQuantities(defaulted, request) !== 0) {
    refuse(
      'defaultRequest',
      request,
      `default value ${defaulted} must equal to defaultRequest value ${request} in ${name}`,
    );
  }
}

function validateItem(limit: LimitRangeItem, path: string, errors: FieldError[]): void {
  const { type } = limit;
  validateType(type, `${path}.type`, errors);
  const validateName = type === 'Pod' || type === 'Container' ? validateContainerResourceName : validateResourceName;
  const names = new Set<string>();
  for (const field of AMOUNTS) {
    if (type === 'Pod' && (field === 'default' || field === 'defaultRequest')) {
      if (Object.keys(limit[field] ?? {}).length > 0) {
        errors.push(forbidden(`${path}.${field}`, "may not be specified when `type` is 'Pod'"));
      }
      continue;
    }
    for (const name in limit[field]) {
      validateName(name, `${path}.${field}[${name}]`, errors);
      names.add(name);
    }
  }
  if (type === 'PersistentVolumeClaim' && !limit.min?.['storage'] && !limit.max?.['storage']) {
    const why = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(required(`${path}.limits`, why));
  }
  for (const name of names) validateResource(limit, name, path, errors);
}

export const limitRanges = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  shortNames: ['limits'],
  namespaced: true,
  schema: LimitRange,
  createOnUpdate: true,
  columns: [nameColumn(), createdColumn()],
  applyDefaults: ({ spec }) => {
    for (const limit of spec?.limits ?? []) applyDefaults(limit);
  },
  prepareForCreate: ({ metadata }) => {
    if (metadata && !metadata.name) metadata.name = randomUUID();
  },
  validate: ({ spec }) => {
    const errors: FieldError[] = [];
    const types = new Set<string>();
    for (const [index, limit] of (spec?.limits ?? []).entries()) {
      const path = `spec.limits[${index}]`;
      validateItem(limit, path, errors);
      if (types.has(limit.type)) errors.push(duplicate(`${path}.type`, limit.type));
      types.add(limit.type);
    }
    return errors;
  },
});
