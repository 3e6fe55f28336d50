/** https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/ */
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import {
  validateLabel1035Name,
  validatePathSegmentName,
  validatePortNumber,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { APIService, type APIServiceSpec, type ServiceReference } from '../../types/apiregistration/v1.gen.ts';

export const AVAILABLE = 'Available';
const DEFAULT_PORT = 443;
const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;

function validate({ metadata, spec }: APIService): FieldError[] {
  if (!spec) return [required('spec')];
  const { group = '', version = '', service } = spec;
  const errors: FieldError[] = [];
  const wantedName = `${version}.${group}`;
  for (const field of ['generateName', 'name'] as const) {
    const given = metadata?.[field];
    if (!given || given === wantedName || validatePathSegmentName(given).length > 0) continue;
    errors.push(
      invalid(`metadata.${field}`, given, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wantedName)}`),
    );
  }
  if (group === '' && version !== 'v1')
    errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
  if (group !== '')
    for (const problem of validateSubdomainName(group)) errors.push(invalid('spec.group', group, problem));
  for (const problem of validateLabel1035Name(version)) errors.push(invalid('spec.version', version, problem));
  validatePriority(spec, 'groupPriorityMinimum', MAX_GROUP_PRIORITY, errors);
  validatePriority(spec, 'versionPriority', MAX_VERSION_PRIORITY, errors);
  if (service) validateRemote(spec, service, errors);
  else validateLocal(spec, errors);
  return errors;
}

function validatePriority(
  spec: APIServiceSpec,
  field: 'groupPriorityMinimum' | 'versionPriority',
  max: number,
  errors: FieldError[],
): void {
  const { [field]: value = 0 } = spec;
  if (value <= 0 || value > max) errors.push(invalid(`spec.${field}`, value, `must be positive and less than ${max}`));
}

function validateLocal({ caBundle, insecureSkipTLSVerify }: APIServiceSpec, errors: FieldError[]): void {
  if (caBundle) {
    const bytes = `${Buffer.byteLength(caBundle, 'base64')} bytes`;
    errors.push(invalid('spec.caBundle', bytes, 'local APIServices may not have a caBundle'));
  }
  if (insecureSkipTLSVerify)
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'));
}

function validateRemote(
  { caBundle, insecureSkipTLSVerify }: APIServiceSpec,
  { namespace, name, port = 0 }: ServiceReference,
  errors: FieldError[],
): void {
  if (!namespace) errors.push(required('spec.service.namespace'));
  if (!name) errors.push(required('spec.service.name'));
  const problems = validatePortNumber(port);
  if (problems.length > 0) errors.push(invalid('spec.service.port', port, `port is not valid: ${problems.join(', ')}`));
  if (insecureSkipTLSVerify && caBundle)
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
}

export const apiServices = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: APIService,
  validateName: validatePathSegmentName,
  columns: [
    nameColumn(),
    text('Service', ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local')),
    text('Available', ({ status }) => {
      const condition = status?.conditions?.find(({ type }) => type === AVAILABLE);
      if (!condition) return 'Unknown';
      return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`;
    }),
    ageColumn(),
  ],
  subresources: [statusSubresource<APIService>()],
  applyDefaults({ spec }) {
    if (spec?.service) spec.service.port ??= DEFAULT_PORT;
  },
  prepareForCreate(object) {
    object.status = {};
  },
  validate,
});
