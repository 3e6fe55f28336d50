/** What the server, the package and the controller of Ingresses have to agree on. */
export const INGRESS_REPOSITORY = 'kedge.local/ingress';
/** Set by the build: the image's digest is in its tag, so that other content is another image. */
declare const KEDGE_INGRESS_IMAGE: string | undefined;
export const INGRESS_IMAGE: string =
  typeof KEDGE_INGRESS_IMAGE === 'undefined' ? `${INGRESS_REPOSITORY}:source` : KEDGE_INGRESS_IMAGE;
/** The controller's namespace, and the name of all its objects. */
export const INGRESS_NAMESPACE = 'kedge-ingress';
/** The IngressClass that clusters start with, and the controller that it names. */
export const INGRESS_CLASS = 'kedge';
export const INGRESS_CONTROLLER = 'kedge.io/ingress';
/** The user and group that it runs as. */
export const INGRESS_UID = 65_532;
