/** The environment variables of services, named as by Docker links. */

/** What environments need of a Service. */
export interface LinkedService {
  readonly namespace: string;
  readonly name: string;
  /** Cluster IPs; a Service without any has no variables. */
  readonly addresses: readonly string[];
  /** The protocol in lower case. */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

const variableName = (name: string): string => name.toUpperCase().replaceAll('-', '_');

/** The services of the pod's namespace, and always the api-server's. */
export function serviceVariables(
  services: Iterable<LinkedService>,
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const [clusterIP] = service.addresses;
    if (clusterIP === undefined) continue;
    const isMaster = service.namespace === 'default' && service.name === 'kubernetes';
    if (isMaster || (enableServiceLinks && service.namespace === namespace)) {
      addVariables(variables, service, clusterIP);
    }
  }
  return variables;
}

function addVariables(variables: Map<string, string>, { name, ports }: LinkedService, clusterIP: string): void {
  const prefix = variableName(name);
  const [first] = ports;
  if (first === undefined) return;
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP;
  variables.set(`${prefix}_SERVICE_HOST`, clusterIP);
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const { name: portName, port } of ports) {
    if (portName) variables.set(`${prefix}_SERVICE_PORT_${variableName(portName)}`, String(port));
  }
  ports.forEach(({ port, protocol: scheme }, index) => {
    const url = `${scheme}://${host}:${port}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    const portPrefix = `${prefix}_PORT_${port}_${scheme.toUpperCase()}`;
    variables.set(portPrefix, url);
    variables.set(`${portPrefix}_PROTO`, scheme);
    variables.set(`${portPrefix}_PORT`, String(port));
    variables.set(`${portPrefix}_ADDR`, clusterIP);
  });
}
