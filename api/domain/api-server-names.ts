/** Names by which everybody in a cluster knows its api-servers: those are never a node's, whatever the node says of itself. Pure. */

/** In the certificates of all api-servers, and of nobody else. */
export const API_SERVER_NAME = 'kubernetes';
const SERVICE_NAME = `${API_SERVER_NAME}.default`;

/** As of the Service `kubernetes`, from a short name to the whole one. */
export const apiServerNames = (clusterDomain: string): string[] => [
  API_SERVER_NAME,
  SERVICE_NAME,
  `${SERVICE_NAME}.svc`,
  `${SERVICE_NAME}.svc.${clusterDomain}`,
];

/** As who verifies a certificate reads a name: without regard to case and to a dot at its end. */
const normalized = (name: string): string => name.toLowerCase().replace(/\.+$/, '');

/**
 * Whether who has a certificate for this DNS name or address could be taken for an api-server, or for any host by itself: the names of the
 * Service, wildcards that may stand for them, and what means the own host to everybody.
 */
export function isServersOwn(name: string): boolean {
  const plain = normalized(name);
  if (plain.includes('*') || plain === 'localhost' || plain.endsWith('.localhost')) return true;
  return plain === API_SERVER_NAME || plain === SERVICE_NAME || plain.startsWith(`${SERVICE_NAME}.`);
}
