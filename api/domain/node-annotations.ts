/** What an agent says of itself in annotations of its Node. */

/** `sha256:...` of the public key of the CA that has signed the client certificate of the node. */
export const NODE_CLIENT_CA = 'kedge.io/client-ca';
