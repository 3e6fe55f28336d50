/** Objects of a cluster in memory, as the compiler of Ingresses reads them. */
import type { ConfigMap, Secret } from '../../api/types/core/v1.gen.ts';
import type { HTTPIngressPath, Ingress, IngressClass, IngressSpec } from '../../api/types/networking/v1.gen.ts';
import type { ClusterView, ServiceFacts, SliceFacts } from '../../addons/ingress/model/cluster-view.ts';

export const NAMESPACE = 'default';
const PREFIX = 'nginx.ingress.kubernetes.io/';

export class World implements ClusterView {
  readonly ingresses: Ingress[] = [];
  readonly classes: IngressClass[] = [];
  readonly services = new Map<string, ServiceFacts>();
  readonly endpoints = new Map<string, SliceFacts[]>();
  readonly secrets = new Map<string, Secret>();
  readonly configMaps = new Map<string, ConfigMap>();
  #age = 0;

  service(namespace: string, name: string): ServiceFacts | undefined {
    return this.services.get(`${namespace}/${name}`);
  }
  slices(namespace: string, service: string): readonly SliceFacts[] {
    return this.endpoints.get(`${namespace}/${service}`) ?? [];
  }
  secret(namespace: string, name: string): Secret | undefined {
    return this.secrets.get(`${namespace}/${name}`);
  }
  configMap(namespace: string, name: string): ConfigMap | undefined {
    return this.configMaps.get(`${namespace}/${name}`);
  }

  /** A Service of port 80, named http, with ready endpoints `ADDRESS` at a port. */
  addService(name: string, addresses: readonly string[], port = 8080, namespace = NAMESPACE): void {
    this.services.set(`${namespace}/${name}`, {
      type: 'ClusterIP',
      clusterIP: '10.43.0.80',
      externalName: undefined,
      ports: [{ name: 'http', port: 80, targetPort: undefined }],
    });
    this.endpoints.set(`${namespace}/${name}`, [
      {
        service: name,
        ports: new Map([['http', port]]),
        endpoints: addresses.map((address) => ({
          ...{ addresses: [address], ready: true, serving: true, terminating: false },
        })),
      },
    ]);
  }

  /** A minute after the one before. */
  protected nextTime(): string {
    const minute = String(++this.#age % 60).padStart(2, '0');
    const hour = String(Math.floor(this.#age / 60)).padStart(2, '0');
    return `2026-01-01T${hour}:${minute}:00Z`;
  }

  /** Adds an Ingress that is younger than those before it, or replaces one. Annotations are named without their prefix. */
  addIngress(
    name: string,
    spec: IngressSpec,
    annotations: Readonly<Record<string, string>> = {},
    namespace = NAMESPACE,
  ): Ingress {
    const ingress: Ingress = {
      metadata: {
        name,
        namespace,
        uid: `uid-${namespace}-${name}`,
        creationTimestamp: this.nextTime(),
        annotations: Object.fromEntries(
          Object.entries(annotations).map(([key, value]) => [key.includes('/') ? key : PREFIX + key, value]),
        ),
      },
      spec: { ingressClassName: 'nginx', ...spec },
    };
    const at = this.ingresses.findIndex(
      (each) => each.metadata?.name === name && each.metadata.namespace === namespace,
    );
    if (at >= 0) this.ingresses[at] = ingress;
    else this.ingresses.push(ingress);
    return ingress;
  }
}

/** A path to port 80 of a Service. */
export const pathTo = (
  service: string,
  path = '/',
  pathType: HTTPIngressPath['pathType'] = 'Prefix',
): HTTPIngressPath => ({ path, pathType, backend: { service: { name: service, port: { number: 80 } } } });

export const rule = (host: string | undefined, ...paths: HTTPIngressPath[]) => ({ host, http: { paths } });
