/** Names that several parts of the configuration refer to. */
export const NOT_FOUND = 'not-found';
export const DEFAULT_CERTIFICATE = 'default.pem';
/** Which CA verifies clients that connect to a name. */
export const CLIENTS_MAP = 'clients';
/** Begins the names of files that are about connections and not about requests. */
export const CONNECTIONS = 'tls-';
