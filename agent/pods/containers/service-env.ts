/** The environment variables of services, named as by Docker links. */
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { services } from '../../../client/resources.gen.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';

/** A cache of every Service of the cluster, with the fields that environments need. */
export const linkedServices = (client: ApiClient, logger: Logger): Informer<Service> =>
  new Informer({
    ...{ client, resource: services, logger },
    select: ({ metadata, spec }): Service => ({
      metadata: { name: metadata?.name, namespace: metadata?.namespace },
      spec: {
        clusterIP: spec?.clusterIP,
        ports: spec?.ports?.map(({ name, port, protocol }) => ({ name, port, protocol })),
      },
    }),
  });

const variableName = (name: string): string => name.toUpperCase().replaceAll('-', '_');

/** The services of the pod's namespace, and always the api-server's. */
export function serviceVariables(
  services: Iterable<Service>,
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const { clusterIP } = service.spec ?? {};
    if (!clusterIP || clusterIP === 'None') continue;
    const isMaster = service.metadata?.namespace === 'default' && service.metadata.name === 'kubernetes';
    if (isMaster || (enableServiceLinks && service.metadata?.namespace === namespace)) {
      addVariables(variables, service, clusterIP);
    }
  }
  return variables;
}

function addVariables(variables: Map<string, string>, service: Service, clusterIP: string): void {
  const prefix = variableName(service.metadata?.name ?? '');
  const ports = service.spec?.ports ?? [];
  const [first] = ports;
  if (first === undefined) return;
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP;
  variables.set(`${prefix}_SERVICE_HOST`, clusterIP);
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const { name, port } of ports) {
    if (name) variables.set(`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port));
  }
  ports.forEach(({ port, protocol = 'TCP' }, index) => {
    const scheme = protocol.toLowerCase();
    const url = `${scheme}://${host}:${port}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    const portPrefix = `${prefix}_PORT_${port}_${protocol}`;
    variables.set(portPrefix, url);
    variables.set(`${portPrefix}_PROTO`, scheme);
    variables.set(`${portPrefix}_PORT`, String(port));
    variables.set(`${portPrefix}_ADDR`, clusterIP);
  });
}
