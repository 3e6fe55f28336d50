import { StringDecoder } from 'node:string_decoder';

/**
 * Splits a stream of UTF-8 into lines. A read error is thrown as what `asFailure` returns for it; errors of `onLine` are
 * rethrown.
 */
export async function forEachLine(
  body: AsyncIterable<Buffer>,
  onLine: (line: string) => void,
  asFailure: (error: unknown) => Error,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  // A line that spans many chunks is joined once, not at every chunk.
  let pieces: string[] = [];
  for await (const chunk of readable(body, asFailure)) {
    const text = decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      pieces.push(text.slice(start, end));
      const line = pieces.length === 1 ? pieces[0]! : pieces.join('');
      pieces = [];
      start = end + 1;
      onLine(line);
    }
    if (start < text.length) pieces.push(text.slice(start));
  }
}

async function* readable(body: AsyncIterable<Buffer>, asFailure: (error: unknown) => Error): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw asFailure(error);
  }
}
