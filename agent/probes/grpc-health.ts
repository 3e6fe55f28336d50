/** Asks a server how it is by the gRPC health protocol: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
import { Client, credentials, Metadata } from '@grpc/grpc-js';

const CHECK = '/grpc.health.v1.Health/Check';
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
/** Protobuf keys: field 1 as a string, field 1 as a varint. */
const SERVICE_KEY = 0x0a;
const STATUS_KEY = 0x08;

/** HealthCheckRequest; service names are shorter than a one-byte length can say. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  return name.length === 0 ? Buffer.alloc(0) : Buffer.from([SERVICE_KEY, name.length, ...name]);
}

const decodeStatus = (answer: Buffer): number => (answer[0] === STATUS_KEY ? (answer[1] ?? 0) : 0);

/** Rejects with the reason when the service does not serve. */
export async function checkGrpcHealth(
  address: string,
  service: string,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client(address, credentials.createInsecure());
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        CHECK,
        encodeRequest,
        decodeStatus,
        service,
        new Metadata(),
        { deadline: Date.now() + timeoutSeconds * 1000 },
        (error, answer) => {
          signal.removeEventListener('abort', cancel);
          if (error) reject(new Error(`error: health rpc failed: ${error.details}`));
          else resolve(answer ?? 0);
        },
      );
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
    if (status !== SERVING) throw new Error(`service unhealthy (responded with "${STATUSES[status] ?? status}")`);
  } finally {
    client.close();
  }
}
