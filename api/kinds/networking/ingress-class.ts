import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';
import { IngressClass, type IngressClassParametersReference } from '../../types/networking/v1.gen.ts';

const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

const HTTP_PATH = String.raw`[A-Za-z0-9/\-._~%!$&'()*+,;=:]+`;
const HTTP_PATH_SYNTAX = new RegExp(`^${HTTP_PATH}$`);

/** `example.com/ingress` */
function validateDomainPrefixedPath(text: string, at: string): FieldError[] {
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
  const { namespace, scope } = parameters;
  const at = `${path}.namespace`;
  if (scope === 'Cluster') {
    if (namespace !== undefined) errors.push(forbidden(at, "`parameters.scope` is set to 'Cluster'"));
  } else if (scope === 'Namespace') {
    if (namespace === undefined) errors.push(required(at, "`parameters.scope` is set to 'Namespace'"));
    else for (const problem of validateLabelName(namespace)) errors.push(invalid(at, namespace, problem));
  }
  return errors;
}

function validate({ spec }: IngressClass): FieldError[] {
  const errors: FieldError[] = [];
  if (spec?.controller) addErrors(errors, validateDomainPrefixedPath(spec.controller, 'spec.controller'));
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
});
