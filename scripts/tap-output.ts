/** What a test file says in the Test Anything Protocol (https://testanything.org), read for people. */

export interface TestResult {
  readonly passed: number;
  readonly failed: number;
  /** Each failure in full, and whatever the file printed beside its results; empty when all is well. */
  readonly failures: string;
}

const RESULT = /^(?<indent> *)(?<not>not )?ok \d+(?: - (?<name>.*?))?(?: # .*)?(?: \{)?$/;
const SUBTEST = /^(?<indent> *)# Subtest: (?<name>.*)$/;
/** What tells of a failure nothing that the failure itself does not. */
const STRUCTURE = /^ *(?:TAP version \d+|1\.\.\d+.*|#.*|\}|)$/;
/** tap's count of assertions at the end of a file: `# { total: 3, pass: 1, fail: 2 }`. */
const TOTALS = /^# \{ total: .*\}$/;

const countOf = (totals: string, name: string): number =>
  Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0);

/** `ended` says how the process went, where that was not with exit code 0. */
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

/** The failed assertions with the names of their tests, their diagnostics, and all that is no TAP, in the order of the output. */
function failuresIn(lines: readonly string[]): string[] {
  const found: string[] = [];
  /** The tests around the current line, outermost first, with how many failures there were when they began. */
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
    // A test that has failed because of one in it has been told of.
    isShown = result['not'] !== undefined && (ended === undefined || ended.failures === failures);
    if (!isShown) continue;
    failures++;
    const names = [...open.map(({ name }) => name), result['name'] ?? 'an assertion'];
    found.push(`not ok: ${names.join(' > ')}`);
  }
  return found;
}
