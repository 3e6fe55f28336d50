/** The code in a Markdown document: its blocks and its inline code. https://spec.commonmark.org/0.31.2/ */

export interface CodeBlock {
  /** What follows the fence, such as `yaml`; empty for indented blocks. */
  readonly language: string;
  readonly text: string;
  /** The number of its first line. */
  readonly line: number;
}

export interface MarkdownCode {
  readonly blocks: readonly CodeBlock[];
  /** Each in one line, in order. */
  readonly inline: readonly { readonly text: string; readonly line: number }[];
}

const FENCE = /^ *```(.*)$/;
/** Not below a list item, where four spaces are a paragraph. */
const INDENTED = /^ {4}(?=\S)/;

/** Blocks have to be fenced or indented by four spaces, and inline code to be within single backquotes. */
export function codeOf(markdown: string): MarkdownCode {
  const blocks: CodeBlock[] = [];
  const prose: string[] = [];
  let open: { language: string; lines: string[]; line: number; isFenced: boolean } | undefined;
  const close = (): void => {
    if (open) blocks.push({ language: open.language, text: open.lines.join('\n'), line: open.line });
    open = undefined;
  };
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = FENCE.exec(line);
    // Lines of blocks are empty lines of prose, so that lines keep their numbers.
    prose.push('');
    if (open?.isFenced) {
      if (fence) close();
      else open.lines.push(line);
    } else if (fence) {
      close();
      open = { language: (fence[1] ?? '').trim(), lines: [], line: index + 2, isFenced: true };
    } else if (INDENTED.test(line) && (open !== undefined || prose.at(-2) === '')) {
      open ??= { language: '', lines: [], line: index + 1, isFenced: false };
      open.lines.push(line.replace(INDENTED, ''));
    } else {
      close();
      prose[prose.length - 1] = line;
    }
  }
  close();
  return { blocks, inline: inlineCode(prose.join('\n')) };
}

function inlineCode(prose: string): MarkdownCode['inline'] {
  const found: { text: string; line: number }[] = [];
  // A paragraph at a time, so that a backquote without its second one does not turn code and prose around for all that follows.
  let line = 1;
  for (const paragraph of prose.split('\n\n')) {
    for (const match of paragraph.matchAll(/`([^`]+)`/g)) {
      const before = paragraph.slice(0, match.index).split('\n').length - 1;
      found.push({ text: (match[1] ?? '').replaceAll(/\s+/g, ' '), line: line + before });
    }
    line += paragraph.split('\n').length + 1;
  }
  return found;
}
