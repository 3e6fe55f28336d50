import { validateUnprivileged } from '../../../api/kinds/core/security-context-validation.ts';
import type { FieldError } from '../../../api/machinery/field-error.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { invalidObject } from '../../../api/machinery/status-error.ts';
import type { AdmissionPlugin } from './plugin.ts';
import type { Pod, PodTemplateSpec } from '../../../api/types/core/v1.gen.ts';

/** Of the kinds that hold a pod template: those with `spec.template`, and PodTemplate with `template`. */
type Templated = KubeObject & {
  readonly spec?: { readonly template?: PodTemplateSpec };
  readonly template?: PodTemplateSpec;
};

function errorsOf(kind: string, object: KubeObject): FieldError[] {
  if (kind === 'Pod') {
    const { spec } = object as Pod;
    return spec ? validateUnprivileged(spec, 'spec') : [];
  }
  const { spec, template } = object as Templated;
  if (spec?.template?.spec) return validateUnprivileged(spec.template.spec, 'spec.template.spec');
  return template?.spec ? validateUnprivileged(template.spec, 'template.spec') : [];
}

/** No privileged containers in the whole cluster: an api-server without `--allow-privileged`. */
export const unprivileged: AdmissionPlugin = {
  name: 'Unprivileged',
  validate({ kind, object, name, subresource }) {
    if (!object || (subresource !== '' && subresource !== 'ephemeralcontainers')) return;
    const errors = errorsOf(kind.kind, object);
    if (errors.length) throw invalidObject(kind, name, errors);
  },
};
