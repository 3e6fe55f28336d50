/** Which Ingresses are served here. Pure. https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class */
import { INGRESS_CLASS, INGRESS_CONTROLLER } from '../../../api/domain/ingress-addon.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Ingress, IngressClass } from '../../../api/types/networking/v1.gen.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
/** Classes that are served though no IngressClass says so, unless one says that they are another controller's. */
const ADOPTED = [INGRESS_CLASS, 'nginx'];

/** The names of the classes that are served here. */
export function ownClasses(classes: Iterable<IngressClass>): ReadonlySet<string> {
  const names = new Set(ADOPTED);
  for (const { metadata, spec } of classes) {
    const name = metadata?.name ?? '';
    if (spec?.controller === INGRESS_CONTROLLER) names.add(name);
    else names.delete(name);
  }
  return names;
}

/** The class that an Ingress names; the annotation counts when it has no field, as upstream's controllers have it. */
const classOf = ({ metadata, spec }: Ingress): string | undefined =>
  spec?.ingressClassName ?? own(metadata?.annotations, CLASS_ANNOTATION);

/** One without class is nobody's: the api-server gives it the default class when it is created. */
export function isServed(ingress: Ingress, classes: ReadonlySet<string>): boolean {
  const name = classOf(ingress);
  return name !== undefined && classes.has(name) && ingress.metadata?.deletionTimestamp === undefined;
}
