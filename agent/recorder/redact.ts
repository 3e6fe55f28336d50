/** Takes secrets and what moves the cursor of a terminal out of texts from anywhere. Pure, and linear in the text. */

const REMOVED = '***';
/** What names a secret, in the words of flags, variables, headers and keys. */
const SECRET =
  'pass(?:wo?r?d|phrase)?|secret|token|credential|cookie|signature|api[_-]?key|private[_-]?key|access[_-]?key|auth(?:orization)?';
const SECRET_NAME = new RegExp(SECRET, 'i');

/** Most texts have nothing of the kind. */
const SUSPICIOUS = new RegExp(
  `${SECRET}|-----BEGIN|://|bearer|basic|[A-Za-z0-9+_=]{40}|eyJ|[a-z0-9]\\.[a-z0-9]{16}|[?&]sig=|xox|glpat-`,
  'i',
);

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]{1,40}-----[^]*?(?:-----END [A-Z ]{1,40}-----|$)/g, REMOVED],
  // JSON Web Tokens, of ServiceAccounts and others. Each run of such characters is looked at once.
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, REMOVED],
  // User and password of a URL, to the last @ that may end them.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/]{1,256}@/gi, `$1${REMOVED}@`],
  // Signatures of URLs, and tokens that begin as their issuers want them to be recognized.
  [/([?&]sig=)[^&\s"']+/gi, `$1${REMOVED}`],
  [/\b(?:xox[abeoprs]-|glpat-)[\w-]{10,}/g, REMOVED],
  [/\b(bearer|basic) +[\w.~+/=-]{8,}/gi, `$1 ${REMOVED}`],
  // password=x, "token": "x", authToken: x, --secret=x; not `volume "secret" : ...`.
  [
    new RegExp(
      `((?:^|[^\\w.-])[\\w.-]{0,64}?(?:${SECRET})[\\w.-]{0,64}(?:["']?[=:]| {1,4}=)\\s{0,4})((?:bearer|basic) +[^\\s,;"'}&]+|"(?:[^"\\\\]|\\\\.)*"?|'[^']*'?|[^\\s,;"'}&]+)`,
      'gi',
    ),
    `$1${REMOVED}`,
  ],
  // Bootstrap tokens.
  [/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, REMOVED],
  // Base64 of some length; ids and digests are lower-case, names of chains are upper-case.
  [/(?<![A-Za-z0-9+_])(?=[A-Z0-9+_]{0,400}[a-z])(?=[a-z0-9+_]{0,400}[A-Z])[A-Za-z0-9+_]{40,}={0,2}/g, REMOVED],
];

/** The text without what looks like a secret. */
export function redact(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  let clean = text;
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}

/** Control characters, and those that change the direction or the end of a line. */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** One line that a terminal can be shown, of at most so many characters. */
export function oneLine(text: string, maxCharacters: number): string {
  // A hostile text may be long: its end is never looked at.
  const head = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text;
  return head.replace(UNPRINTABLE, ' ');
}

/** The name of a flag whose value follows as an argument of its own. */
const FLAG = /^--?[\w-]+$/;

/** A program and its arguments as one line, without secrets. */
export function argumentsText(args: readonly string[], maxCharacters: number): string {
  const words: string[] = [];
  let length = 0;
  for (const [index, arg] of args.entries()) {
    const before = args[index - 1] ?? '';
    const isSecret = index > 1 && FLAG.test(before) && SECRET_NAME.test(before) && !FLAG.test(arg);
    words.push(isSecret ? REMOVED : arg.slice(0, maxCharacters));
    length += arg.length;
    if (length > maxCharacters) break;
  }
  return oneLine(redact(words.join(' ')), maxCharacters);
}

/** Whether a variable, header or key of this name holds a secret by the look of it. */
export const namesSecret = (name: string): boolean => SECRET_NAME.test(name);
