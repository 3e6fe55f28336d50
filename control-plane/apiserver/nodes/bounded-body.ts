import type { IncomingMessage } from 'node:http';

/** Reads the whole body of an answer. Throws an Error when it is longer than `maxBytes`. @param what for the message */
export async function boundedBody(answer: IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      answer.destroy();
      throw new Error(`${what} is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
