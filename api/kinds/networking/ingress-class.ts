import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
} from '../../machinery/field-error.ts';
import { validateLabelName, validatePathSegmentName, validateSubdomainName } from '../../machinery/names.ts';
import { IngressClass, type IngressClassParametersReference } from '../../types/networking/v1.gen.ts';

const MAX_CONTROLLER = 250;
const SCOPES = ['Cluster', 'Namespace'];
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

const HTTP_PATH = String.raw`[A-Za-z0-9/\-._~%!$&'()*+,;=:]+`;
const HTTP_PATH_SYNTAX = new RegExp(`^${HTTP_PATH}$`);

/** `example.com/ingress` */
function validateDomainPrefixedPath(text: string, at: string): FieldError[] {
  if (!text) return [required(at)];
  const slash = text.indexOf('/');
  const [host, path] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash <= 0 || !path) return [invalid(at, text, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const errors = validateSubdomainName(host).map((problem) => invalid(at, host, problem));
  if (!HTTP_PATH_SYNTAX.test(path)) {
    errors.push(invalid(at, path, `Invalid path (regex used for validation is '${HTTP_PATH}')`));
  }
  return errors;
}

function validateParameters(parameters: IngressClassParametersReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { apiGroup, kind, name, namespace, scope } = parameters;
  const check = (field: string, value: string, validateName: (name: string) => string[]): void => {
    for (const problem of validateName(value)) errors.push(invalid(`${path}.${field}`, value, problem));
  };
  if (apiGroup !== undefined) check('apiGroup', apiGroup, validateSubdomainName);
  for (const [field, value] of [['kind', kind] as const, ['name', name] as const]) {
    if (value) check(field, value, validatePathSegmentName);
    else errors.push(required(`${path}.${field}`));
  }
  if (scope === undefined) errors.push(required(`${path}.scope`));
  else if (!SCOPES.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, SCOPES));
  else if (scope === 'Cluster') {
    if (namespace !== undefined) {
      errors.push(forbidden(`${path}.namespace`, "`parameters.scope` is set to 'Cluster'"));
    }
  } else if (namespace === undefined) {
    errors.push(required(`${path}.namespace`, "`parameters.scope` is set to 'Namespace'"));
  } else check('namespace', namespace, validateLabelName);
  return errors;
}

function validate({ spec }: IngressClass): FieldError[] {
  const controller = spec?.controller ?? '';
  const errors: FieldError[] = [];
  if (Buffer.byteLength(controller) > MAX_CONTROLLER) errors.push(tooLong('spec.controller', MAX_CONTROLLER));
  addErrors(errors, validateDomainPrefixedPath(controller, 'spec.controller'));
  if (spec?.parameters) addErrors(errors, validateParameters(spec.parameters, 'spec.parameters'));
  return errors;
}

export const ingressClasses = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  schema: IngressClass,
  hasGeneration: true,
  columns: [
    {
      ...nameColumn(),
      cell: ({ metadata }) => {
        const isDefault = metadata?.annotations?.[DEFAULT_ANNOTATION] === 'true';
        return `${metadata?.name ?? ''}${isDefault ? ' (default)' : ''}`;
      },
    },
    text('Controller', ({ spec }) => spec?.controller ?? ''),
    text('Parameters', ({ spec }) => {
      if (!spec?.parameters) return '<none>';
      const { apiGroup, kind, name } = spec.parameters;
      return `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}`;
    }),
    ageColumn(),
  ],
  applyDefaults: ({ spec }) => {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate,
  validateUpdate: ({ spec }, old) =>
    (spec?.controller ?? '') === (old.spec?.controller ?? '')
      ? []
      : [invalid('spec.controller', spec?.controller, 'field is immutable')],
});
