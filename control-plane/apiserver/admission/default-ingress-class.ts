import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { ingressClasses, isDefaultIngressClass } from '../../../api/kinds/networking/ingress-class.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Ingress } from '../../../api/types/networking/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { defaultClass } from './default-class.ts';
import type { AdmissionPlugin } from './plugin.ts';

/** Where ingresses had their class before they had a field for it. */
const ANNOTATION = 'kubernetes.io/ingress.class';

/** https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaultingressclass */
export function defaultIngressClass(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const current = defaultClass(api, ingressClasses, isDefaultIngressClass);
  return {
    name: 'DefaultIngressClass',
    mutate({ operation, kind, subresource, object }) {
      if (operation !== 'CREATE' || kind !== ingresses || subresource !== '') return;
      const ingress = object as Ingress;
      const spec = (ingress.spec ??= {});
      const isGiven =
        spec.ingressClassName !== undefined || own(ingress.metadata?.annotations, ANNOTATION) !== undefined;
      const name = isGiven ? undefined : current();
      if (name !== undefined) spec.ingressClassName = name;
    },
  };
}
