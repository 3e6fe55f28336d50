/** gRPC services and messages, looked up in a compiled descriptor (see proto/compile.ts). */
import { fromJSON, type MessageTypeDefinition, type MethodDefinition, type Options } from '@grpc/proto-loader';
import { own } from '../../api/machinery/own.ts';

const OPTIONS: Options = { longs: Number, enums: String, defaults: true };

export interface Service {
  method(name: string): MethodDefinition<object, object>;
}

export interface Proto {
  service(name: string): Service;
  /** Decodes a message that is embedded in another one as bytes. */
  decoder(name: string): (bytes: Buffer) => object;
}

export function loadProto(descriptor: object): Proto {
  const definitions = fromJSON(descriptor, OPTIONS);
  const lookUp = (name: string) => {
    const definition = own(definitions, name);
    if (definition === undefined) throw new Error(`proto: no ${name}`);
    return definition;
  };
  return {
    service: (name) => {
      const service = lookUp(name) as Record<string, MethodDefinition<object, object>>;
      return {
        method: (methodName) => {
          const method = own(service, methodName);
          if (method === undefined) throw new Error(`proto: no ${name}.${methodName}`);
          return method;
        },
      };
    },
    decoder: (name) => (lookUp(name) as MessageTypeDefinition<object, object>).deserialize,
  };
}
