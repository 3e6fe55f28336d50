/** A plugin of a key management service: gRPC over a Unix socket (proto/kms-v2.proto). Its answers, and the time that they take, are not trusted. */
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { fromJSON, type MethodDefinition } from '@grpc/proto-loader';
import { own } from '../../../../api/machinery/own.ts';
import { DeadlineError, withDeadline } from '../../../../client/deadline.ts';
import { unaryCall } from '../../../../client/unary-call.ts';
import descriptor from '../../../../proto/kms-v2.json' with { type: 'json' };

const SERVICE = 'v2.KeyManagementService';
/** Sources of keys are small. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 2_000;

type Method = MethodDefinition<object, object>;
export type MethodName = 'Status' | 'Encrypt' | 'Decrypt';

export interface PluginStatus {
  readonly version: string;
  readonly healthz: string;
  readonly keyId: string;
}

export interface EncryptAnswer {
  readonly ciphertext: Buffer;
  readonly keyId: string;
  readonly annotations: Readonly<Record<string, Buffer>>;
}

export interface DecryptRequest {
  readonly ciphertext: Buffer;
  readonly uid: string;
  readonly keyId: string;
  readonly annotations: Readonly<Record<string, Buffer>>;
}

export interface PluginOptions {
  /** `unix:///run/kms.sock` */
  readonly endpoint: string;
  readonly timeoutMs: number;
  /** Told of each call. @param code the name of gRPC's status */
  readonly called: (method: MethodName, code: string, seconds: number) => void;
}

const service = fromJSON(descriptor as object, { longs: Number, enums: String, defaults: true })[SERVICE] as
  Readonly<Record<string, Method>> | undefined;

function methodOf(name: MethodName): Method {
  const method = own(service, name);
  if (!method) throw new Error(`no method ${name} in proto/kms-v2.json`);
  return method;
}

/** Calls reject with gRPC's ServiceError, or with DeadlineError. */
export class KmsPlugin implements Disposable {
  readonly #options: PluginOptions;
  readonly #client: Client;

  constructor(options: PluginOptions) {
    this.#options = options;
    this.#client = new Client(options.endpoint, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MIN_MS,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
      'grpc.use_local_subchannel_pool': 1,
      // What plugins expect of a Unix socket.
      'grpc.default_authority': 'localhost',
    });
  }

  status(): Promise<PluginStatus> {
    return this.#call('Status', {});
  }

  encrypt(plaintext: Buffer, uid: string): Promise<EncryptAnswer> {
    return this.#call('Encrypt', { plaintext, uid });
  }

  async decrypt(request: DecryptRequest): Promise<Buffer> {
    const { plaintext } = await this.#call<{ readonly plaintext: Buffer }>('Decrypt', request);
    return plaintext;
  }

  async #call<T>(name: MethodName, request: object): Promise<T> {
    const { timeoutMs: limitMs, called } = this.#options;
    const startedAt = performance.now();
    let code = 'OK';
    try {
      const what = `KMS plugin ${name}`;
      return (await withDeadline({ what, limitMs }, (signal) =>
        unaryCall(this.#client, methodOf(name), request, { signal, limitMs }),
      )) as T;
    } catch (error) {
      code = codeOf(error);
      throw error;
    } finally {
      called(name, code, (performance.now() - startedAt) / 1000);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function codeOf(error: unknown): string {
  if (error instanceof DeadlineError) return 'DeadlineExceeded';
  const { code } = error as Partial<ServiceError>;
  const name = code === undefined ? 'UNKNOWN' : (status[code] ?? 'UNKNOWN');
  // Go's names: DeadlineExceeded.
  return name
    .toLowerCase()
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}
