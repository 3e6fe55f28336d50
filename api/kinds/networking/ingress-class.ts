import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateDomainPrefixedPath } from '../../machinery/domain-prefixed-path.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { IngressClass, type IngressClassParametersReference } from '../../types/networking/v1.gen.ts';

const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

/** Whether ingresses get it that name no class. */
export const isDefaultIngressClass = ({ metadata }: IngressClass): boolean =>
  own(metadata?.annotations, DEFAULT_ANNOTATION) === 'true';

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
        const isDefault = isDefaultIngressClass({ metadata });
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
