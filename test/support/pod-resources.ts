/** A client of the pod resources API, as exporters of vendors are. */
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { loadProto } from '../../agent/cri/service.ts';
import descriptor from '../../proto/pod-resources-v1.json' with { type: 'json' };

export interface ListedDevices {
  readonly resourceName: string;
  readonly deviceIds: readonly string[];
  readonly topology: { readonly nodes: readonly { readonly ID: number }[] } | null;
}

export interface ListedPod {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly {
    readonly name: string;
    readonly devices: readonly ListedDevices[];
    readonly cpuIds: readonly number[];
    readonly memory: readonly object[];
    readonly dynamicResources: readonly object[];
  }[];
}

/** Rejects with gRPC's ServiceError. */
export async function askPodResources<T>(socket: string, method: string, request: object = {}): Promise<T> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const definition = loadProto(descriptor).service('v1.PodResourcesLister').method(method);
  const { path, requestSerialize, responseDeserialize } = definition;
  try {
    return await new Promise<T>((resolve, reject) => {
      const answered = (error: ServiceError | null, value?: object): void =>
        error ? reject(error) : resolve(value as T);
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, answered);
    });
  } finally {
    client.close();
  }
}
