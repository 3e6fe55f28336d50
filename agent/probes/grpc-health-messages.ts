/** The two messages of grpc.health.v1, in protobuf's encoding and gRPC's framing. Pure. */
import { WireError, WireReader } from '../../api/machinery/protobuf/wire.ts';
import { lengthDelimited } from '../../api/machinery/protobuf/wire-writer.ts';

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
export const SERVING = 1;
const SERVICE_FIELD = 1;
const STATUS_FIELD = 1;

export const statusName = (status: number): string => STATUSES[status] ?? String(status);

/** A flag (not compressed) and the length of the message. */
const FRAME_HEAD_BYTES = 5;

export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The message in a body. Throws for an invalid one. */
export function unframe(body: Buffer): Buffer {
  if (body.length < FRAME_HEAD_BYTES || body[0] !== 0) throw malformed();
  const end = FRAME_HEAD_BYTES + body.readUInt32BE(1);
  if (body.length !== end) throw malformed();
  return body.subarray(FRAME_HEAD_BYTES, end);
}

/** HealthCheckRequest. */
export const encodeHealthRequest = (service: string): Buffer =>
  service === '' ? Buffer.alloc(0) : lengthDelimited(SERVICE_FIELD, Buffer.from(service));

/** The status of a HealthCheckResponse; unknown fields are skipped. Throws for an invalid message. */
export function decodeServingStatus(message: Buffer): number {
  const reader = new WireReader(message);
  let status = 0;
  try {
    while (reader.next()) {
      if (reader.field === STATUS_FIELD) status = reader.integer() | 0;
      else reader.skip();
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw malformed(error);
  }
  return status;
}

const malformed = (cause?: WireError): Error =>
  new Error('response is not a grpc.health.v1.HealthCheckResponse', { cause });
