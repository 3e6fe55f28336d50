/** Changes the links of a page as it passes. What is not a link passes byte for byte, whatever the page's character set. */
import { Transform, type TransformCallback } from 'node:stream';

/** https://html.spec.whatwg.org/multipage/indices.html#attributes-3, and those of HTML 4. */
const LINK_ATTRIBUTES: ReadonlyMap<string, readonly string[]> = new Map([
  ['a', ['href']],
  ['applet', ['codebase']],
  ['area', ['href']],
  ['audio', ['src']],
  ['base', ['href']],
  ['blockquote', ['cite']],
  ['body', ['background']],
  ['button', ['formaction']],
  ['del', ['cite']],
  ['embed', ['src']],
  ['form', ['action']],
  ['frame', ['longdesc', 'src']],
  ['head', ['profile']],
  ['html', ['manifest']],
  ['iframe', ['longdesc', 'src']],
  ['img', ['longdesc', 'src', 'usemap']],
  ['input', ['formaction', 'src', 'usemap']],
  ['ins', ['cite']],
  ['link', ['href']],
  ['object', ['classid', 'codebase', 'data', 'usemap']],
  ['q', ['cite']],
  ['script', ['src']],
  ['source', ['src']],
  ['video', ['poster', 'src']],
]);
/** Elements in which nothing but their end is markup. */
const RAW_TEXT: ReadonlySet<string> = new Set([
  'iframe',
  'noembed',
  'noframes',
  'script',
  'style',
  'textarea',
  'title',
]);
/** The longest end of raw text, `</textarea`, less one: so much of it may have come yet. */
const MAX_END_CHARS = 9;
/** A longer tag passes as it is, so that a page that never ends one fills no memory. */
const MAX_TAG_CHARS = 16 * 1024;

const COMMENT = '<!--';
const TAG_NAME = /<([a-z][^\s/>]*)/iy;
const ATTRIBUTE = /([\s/]*)([^\s/>=]+)(?:(\s*=\s*)("[^"]*"|'[^']*'|[^\s>"'][^\s>]*))?/y;
const TAG_END = /[\s/]*>/y;

export class HtmlLinks extends Transform {
  readonly #rewrite: (link: string) => string;
  /** A tag of which more is to come. */
  #rest = '';
  /** What ends the comment or the raw text that the page is in. */
  #end: RegExp | undefined;

  constructor(rewrite: (link: string) => string) {
    super();
    this.#rewrite = rewrite;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    // In Latin-1 a byte is a character; markup is ASCII in every character set that comes by HTTP.
    done(null, Buffer.from(this.#take(this.#rest + chunk.toString('latin1')), 'latin1'));
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.#rest, 'latin1'));
  }

  /** What of the text can go on; the rest is kept. */
  #take(text: string): string {
    let out = '';
    let at = 0;
    while (at < text.length) {
      if (this.#end) {
        const found = text.slice(at).search(this.#end);
        const next = found < 0 ? Math.max(at, text.length - MAX_END_CHARS) : at + found;
        out += text.slice(at, next);
        at = next;
        if (found < 0) break;
        this.#end = undefined;
      }
      const open = text.indexOf('<', at);
      const markup = open < 0 ? text.length : open;
      out += text.slice(at, markup);
      at = markup;
      const tag = open < 0 ? undefined : this.#tag(text, at);
      if (!tag) break;
      out += tag.text;
      at = tag.next;
    }
    this.#rest = text.slice(at);
    if (this.#rest.length <= MAX_TAG_CHARS) return out;
    out += this.#rest;
    this.#rest = '';
    return out;
  }

  /** The tag, or whatever else it is, that begins there; undefined when it does not end in this text. */
  #tag(text: string, start: number): { text: string; next: number } | undefined {
    if (COMMENT.startsWith(text.slice(start, start + COMMENT.length))) {
      if (text.length - start < COMMENT.length) return undefined;
      this.#end = /-->/;
      return { text: COMMENT, next: start + COMMENT.length };
    }
    const name = matchAt(TAG_NAME, text, start)?.[1]?.toLowerCase();
    if (name === undefined) return { text: '<', next: start + 1 };
    const links = LINK_ATTRIBUTES.get(name) ?? [];
    let next = start + 1 + name.length;
    let out = text.slice(start, next);
    for (let end = matchAt(TAG_END, text, next); !end; end = matchAt(TAG_END, text, next)) {
      const attribute = matchAt(ATTRIBUTE, text, next);
      if (!attribute) return undefined;
      const [all, space, key = '', equals, value] = attribute;
      next += all.length;
      const isLink = value !== undefined && links.includes(key.toLowerCase());
      out += isLink ? `${space}${key}${equals}${this.#rewritten(value)}` : all;
    }
    if (RAW_TEXT.has(name)) this.#end = new RegExp(`</${name}`, 'i');
    return { text: out, next };
  }

  #rewritten(value: string): string {
    const quote = /^["']/.exec(value)?.[0] ?? '';
    return `${quote}${this.#rewrite(value.slice(quote.length, value.length - quote.length))}${quote}`;
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
