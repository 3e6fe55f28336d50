/** What a claim asks for: of ResourceClaims and of their templates. Upstream's `validateResourceClaimSpec`. */
import { type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateLabelValue, validateQualifiedName, validateSubdomainName } from '../../machinery/names.ts';
import type {
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  DeviceToleration,
  ResourceClaimSpec,
} from '../../types/resource/v1.gen.ts';
import { MAX_CONFIG, validateConfiguration, validateSelectors } from './device-configuration.ts';
import { DeviceExpressions } from './device-expressions.ts';
import { validateFullDeviceKey, validateLabel, validateList, validateSet } from './device-names.ts';

export const MAX_REQUESTS = 32;
const MAX_CONSTRAINTS = 32;
const MAX_ALTERNATIVES = 8;
export const TAINT_EFFECTS = ['NoExecute', 'NoSchedule', 'None'];
const OPERATORS = ['Equal', 'Exists'];
const ONE_OF = 'exactly one of `exactly` or `firstAvailable` is required';
const REFERENCE =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

type Sized = Pick<DeviceSubRequest, 'allocationMode' | 'count'>;

function applySizeDefaults(request: Sized): void {
  request.allocationMode ||= 'ExactCount';
  if (request.allocationMode === 'ExactCount') request.count ||= 1;
}

export function applyClaimSpecDefaults({ devices }: ResourceClaimSpec): void {
  for (const { exactly, firstAvailable } of devices?.requests ?? []) {
    for (const request of [...(exactly ? [exactly] : []), ...(firstAvailable ?? [])]) {
      applySizeDefaults(request);
      for (const toleration of request.tolerations ?? []) toleration.operator ||= 'Equal';
    }
  }
}

/** The names of the requests of a claim, and of the alternatives in them as `request/alternative`. */
export function requestNames({ devices }: ResourceClaimSpec): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { name, firstAvailable } of devices?.requests ?? []) {
    names.add(name);
    for (const alternative of firstAvailable ?? []) names.add(`${name}/${alternative.name}`);
  }
  return names;
}

export function validateRequestReference(
  name: string,
  names: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  const segments = name.split('/');
  if (segments.length <= 2) for (const segment of segments) validateLabel(segment, path, errors);
  if (segments.length > 2 || !names.has(name)) errors.push(invalid(path, name, REFERENCE));
}

/** Of a list of references, each once. */
export function validateRequestReferences(
  references: readonly string[] | undefined,
  names: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  validateSet(
    references,
    MAX_REQUESTS,
    (name) => name,
    path,
    errors,
    (name, at) => validateRequestReference(name, names, at, errors),
  );
}

function validateSize({ allocationMode, count = 0 }: Sized, path: string, errors: FieldError[]): void {
  const mode: string = allocationMode ?? '';
  if (mode === 'All') {
    if (count === 0) return;
    errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"));
  } else if (mode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${path}.count`, count, 'must be greater than zero'));
  } else {
    errors.push(notSupported(`${path}.allocationMode`, mode, ['All', 'ExactCount']));
  }
}

function validateToleration(toleration: DeviceToleration, path: string, errors: FieldError[]): void {
  const { key = '', value = '' } = toleration;
  // Clients may send other values than the type has.
  const [operator, effect]: string[] = [toleration.operator ?? '', toleration.effect ?? ''];
  for (const problem of key ? validateQualifiedName(key) : []) errors.push(invalid(`${path}.key`, key, problem));
  if (operator === 'Exists') {
    if (value) errors.push(invalid(`${path}.value`, value, 'must be empty for operator `Exists`'));
  } else if (operator === 'Equal') {
    for (const problem of validateLabelValue(value)) errors.push(invalid(`${path}.value`, value, problem));
  } else {
    errors.push(operator ? notSupported(`${path}.operator`, operator, OPERATORS) : required(`${path}.operator`));
  }
  if (effect && !TAINT_EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, TAINT_EFFECTS));
}

/** What the one request and each of the alternatives have in common. */
function validateDevices(
  request: Omit<DeviceSubRequest, 'name'>,
  expressions: DeviceExpressions,
  path: string,
  errors: FieldError[],
): void {
  const { deviceClassName, selectors, tolerations } = request;
  if (deviceClassName === '') errors.push(required(`${path}.deviceClassName`));
  else {
    for (const problem of validateSubdomainName(deviceClassName)) {
      errors.push(invalid(`${path}.deviceClassName`, deviceClassName, problem));
    }
  }
  validateSelectors(selectors, expressions, `${path}.selectors`, errors);
  validateSize(request, path, errors);
  validateList(tolerations, undefined, `${path}.tolerations`, errors, validateToleration);
}

function validateRequest(
  request: DeviceRequest,
  expressions: DeviceExpressions,
  path: string,
  errors: FieldError[],
): void {
  const { name, exactly, firstAvailable = [] } = request;
  validateLabel(name, `${path}.name`, errors);
  if (firstAvailable.length === 0) {
    if (exactly) validateDevices(exactly, expressions, `${path}.exactly`, errors);
    else errors.push(required(path, ONE_OF));
    return;
  }
  if (exactly) {
    errors.push(invalid(path, null, `${ONE_OF}, but multiple fields are set`));
    return;
  }
  validateSet(
    firstAvailable,
    MAX_ALTERNATIVES,
    (alternative) => alternative.name,
    `${path}.firstAvailable`,
    errors,
    (alternative, at) => {
      validateLabel(alternative.name, `${at}.name`, errors);
      validateDevices(alternative, expressions, at, errors);
    },
  );
}

function validateConstraint(
  { requests, matchAttribute, distinctAttribute }: DeviceConstraint,
  names: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  validateRequestReferences(requests, names, `${path}.requests`, errors);
  if (matchAttribute !== undefined) validateFullDeviceKey(matchAttribute, `${path}.matchAttribute`, errors);
  else if (distinctAttribute !== undefined) {
    validateFullDeviceKey(distinctAttribute, `${path}.distinctAttribute`, errors);
  } else {
    const oneOf = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
    errors.push(required(path, oneOf));
  }
}

export function validateResourceClaimSpec(spec: ResourceClaimSpec, path: string, errors: FieldError[]): void {
  const names = requestNames(spec);
  const { requests, constraints, config } = spec.devices ?? {};
  const at = `${path}.devices`;
  const expressions = new DeviceExpressions();
  validateSet(
    requests,
    MAX_REQUESTS,
    ({ name }) => name,
    `${at}.requests`,
    errors,
    (request, here) => validateRequest(request, expressions, here, errors),
  );
  validateList(constraints, MAX_CONSTRAINTS, `${at}.constraints`, errors, (constraint, here) =>
    validateConstraint(constraint, names, here, errors),
  );
  validateList(config, MAX_CONFIG, `${at}.config`, errors, (configuration, here) => {
    validateRequestReferences(configuration.requests, names, `${here}.requests`, errors);
    validateConfiguration(configuration, here, errors);
  });
}
