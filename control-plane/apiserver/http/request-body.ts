/** Parses request bodies: JSON, YAML, and Kubernetes' protobuf encoding, which newer kubectl sends. */
import { parseBody, type Body } from '../../../api/machinery/body.ts';
import { ProtobufBodies } from './protobuf-bodies.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';

/** Parsing bodies from this length on takes milliseconds, for which the event loop is blocked. */
const LONG_BYTES = 64 * 1024;

/**
 * Parses long bodies one per turn of the event loop: other requests wait for one of them at most, not for all that arrived
 * together.
 */
export class BodyQueue {
  #last: Promise<void> = Promise.resolve();

  /** Resolves with the body when it may be parsed. */
  enqueue(body: Buffer): Buffer | Promise<Buffer> {
    if (body.length < LONG_BYTES) return body;
    this.#last = this.#last.then(() => new Promise((resume) => setImmediate(resume)));
    return this.#last.then(() => body);
  }
}

const PROTOBUF = /^\s*application\/vnd\.kubernetes\.protobuf\s*(;|$)/i;

export class BodyParser {
  readonly queue = new BodyQueue();
  readonly #protobuf: () => ProtobufBodies;

  constructor(kinds: ServedKinds) {
    this.#protobuf = kinds.derived((served) => new ProtobufBodies(served));
  }

  get protobuf(): ProtobufBodies {
    return this.#protobuf();
  }

  /**
   * @param findDuplicates for fieldValidation Strict and Warn. Throws StatusError: 400 for malformed bodies, 415 for other
   * types.
   */
  parse(body: Buffer, contentType: string, findDuplicates: boolean): Body {
    if (!PROTOBUF.test(contentType)) return parseBody(body.toString(), contentType, findDuplicates);
    return { value: this.protobuf.decode(body), problems: [] };
  }
}
