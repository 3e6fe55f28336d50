/** What the server and the controller of Gateways have to agree on: https://gateway-api.sigs.k8s.io/ */
export const GATEWAY_GROUP = 'gateway.networking.k8s.io';
/** The GatewayClass that clusters start with, and the controller that it names. */
export const GATEWAY_CLASS = 'kedge';
export const GATEWAY_CONTROLLER = 'kedge.io/gateway-controller';
/** The release of the Gateway API whose standard channel the definitions have. */
export const GATEWAY_BUNDLE_VERSION = 'v1.6.1';
export const BUNDLE_VERSION_ANNOTATION = 'gateway.networking.k8s.io/bundle-version';
