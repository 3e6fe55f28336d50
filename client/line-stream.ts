import { StringDecoder } from 'node:string_decoder';

/**
 * Cuts a stream of UTF-8 into lines. `asFailure` says what to throw when reading fails; what `onLine` throws is passed on as it is.
 */
export async function forEachLine(
  body: AsyncIterable<Buffer>,
  onLine: (line: string) => void,
  asFailure: (error: unknown) => Error,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  // An event that spans many chunks is put together once, not at every chunk.
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
