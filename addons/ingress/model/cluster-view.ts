/** What the compiler reads of the cluster. */
import type { ConfigMap, Secret } from '../../../api/types/core/v1.gen.ts';
import type { Ingress, IngressClass } from '../../../api/types/networking/v1.gen.ts';

/** What of a Service counts. */
export interface ServiceFacts {
  readonly type: string;
  readonly clusterIP: string | undefined;
  readonly externalName: string | undefined;
  readonly ports: readonly ServicePortFacts[];
}

export interface ServicePortFacts {
  readonly name: string;
  readonly port: number;
  /** The number, when it has one: that of an ExternalName Service. */
  readonly targetPort: number | undefined;
  readonly appProtocol?: string | undefined;
}

/** What of an EndpointSlice counts. */
export interface SliceFacts {
  readonly service: string;
  readonly ports: ReadonlyMap<string, number>;
  readonly endpoints: readonly EndpointFacts[];
}

export interface EndpointFacts {
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** The objects that are there now. */
export interface ClusterView {
  readonly ingresses: Iterable<Ingress>;
  readonly classes: Iterable<IngressClass>;
  service(namespace: string, name: string): ServiceFacts | undefined;
  slices(namespace: string, service: string): readonly SliceFacts[];
  /** Undefined: it is not there. 'unknown': it has not been read yet. */
  secret(namespace: string, name: string): Secret | 'unknown' | undefined;
  configMap(namespace: string, name: string): ConfigMap | 'unknown' | undefined;
}
