/** Parses the output of test files in the Test Anything Protocol: https://testanything.org */

export interface TestResult {
  readonly passed: number;
  readonly failed: number;
  /** Each failure in full, and everything else that the file printed; empty when all tests passed. */
  readonly failures: string;
}

/** A comment at the end of the output of a file in a process that runs more of them. */
export const FILE_END = 'end of the test file';

const RESULT = /^(?<indent> *)(?<not>not )?ok \d+(?: - (?<name>.*?))?(?: # .*)?(?: \{)?$/;
const SUBTEST = /^(?<indent> *)# Subtest: (?<name>.*)$/;
/** Lines that add nothing to a failure. */
const STRUCTURE = /^ *(?:TAP version \d+|pragma .*|1\.\.\d+.*|#.*|\}|)$/;
/** tap's count of assertions at the end of a file: `# { total: 3, pass: 1, fail: 2 }`. */
const TOTALS = /^# \{ total: .*\}$/;

const countOf = (totals: string, name: string): number =>
  Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0);

/** `ended` says how the process ended, unless with exit code 0. */
export function readTap(output: string, ended: string | undefined): TestResult {
  const lines = output.split('\n');
  const totals = lines.findLast((line) => TOTALS.test(line)) ?? '';
  const counted = countOf(totals, 'fail');
  const passed = countOf(totals, 'pass');
  if (counted === 0 && ended === undefined && totals !== '') return { passed, failed: 0, failures: '' };
  const found = failuresIn(lines);
  if (counted === 0) found.push(ended ?? 'ended without a summary of its tests');
  return { passed, failed: Math.max(1, counted), failures: found.join('\n') };
}

/** Failed assertions with the names of their tests and their diagnostics, and all lines that are not TAP, in output order. */
function failuresIn(lines: readonly string[]): string[] {
  const found: string[] = [];
  /** The enclosing tests, outermost first, with the number of failures at their start. */
  const open: { readonly name: string; readonly depth: number; readonly failures: number }[] = [];
  let failures = 0;
  let isShown = false;
  let diagnosticsEnd: string | undefined;
  for (const line of lines) {
    if (diagnosticsEnd !== undefined) {
      if (isShown && line !== diagnosticsEnd) found.push(`  ${line.slice(diagnosticsEnd.length - '...'.length)}`);
      if (line === diagnosticsEnd) diagnosticsEnd = undefined;
      continue;
    }
    if (/^ *---$/.test(line)) {
      diagnosticsEnd = line.replace('---', '...');
      continue;
    }
    isShown = false;
    const subtest = SUBTEST.exec(line)?.groups;
    if (subtest) {
      open.push({ name: subtest['name'] ?? '', depth: subtest['indent']?.length ?? 0, failures });
      continue;
    }
    const result = RESULT.exec(line)?.groups;
    if (!result) {
      if (!STRUCTURE.test(line)) found.push(line);
      continue;
    }
    const depth = result['indent']?.length ?? 0;
    const own = open.findIndex((test) => test.depth >= depth);
    const [ended] = own < 0 ? [] : open.splice(own);
    // A test that failed because of a subtest has been reported with it.
    isShown = result['not'] !== undefined && (ended === undefined || ended.failures === failures);
    if (!isShown) continue;
    failures++;
    const names = [...open.map(({ name }) => name), result['name'] ?? 'an assertion'];
    found.push(`not ok: ${names.join(' > ')}`);
  }
  return found;
}
