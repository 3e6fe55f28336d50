/** What the server, the package and the controller of Ingresses have to agree on. */
export const INGRESS_IMAGE = 'kedge.local/ingress:1.0';
/** The controller's namespace, and the name of all its objects. */
export const INGRESS_NAMESPACE = 'kedge-ingress';
/** The IngressClass that clusters start with, and the controller that it names. */
export const INGRESS_CLASS = 'kedge';
export const INGRESS_CONTROLLER = 'kedge.io/ingress';
/** The user and group that it runs as. */
export const INGRESS_UID = 65_532;
