/** Semantic versions: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-semver-library and https://semver.org */
import { compareText } from '../../compare-text.ts';
import { overload as declare, type Overload } from '../environment.ts';
import { type CelValue, Extension, Failure } from '../values.ts';
import { kubernetesTypes, SEMVER } from './kubernetes-types.ts';

const MAX_TEXT = 1_000;
const SYNTAX =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;
const isNumber = (part: string): boolean => /^\d+$/.test(part);

class SemverValue extends Extension {
  readonly celType = SEMVER;
  readonly numbers: readonly bigint[];
  readonly prerelease: readonly string[];
  readonly text: string;
  constructor(numbers: readonly bigint[], prerelease: readonly string[], text: string) {
    super();
    this.numbers = numbers;
    this.prerelease = prerelease;
    this.text = text;
  }
  compare(other: SemverValue): number {
    for (const [index, number] of this.numbers.entries()) {
      const right = other.numbers[index] ?? 0n;
      if (number !== right) return number < right ? -1 : 1;
    }
    return comparePrereleases(this.prerelease, other.prerelease);
  }
  equals(other: Extension): boolean {
    return other instanceof SemverValue && this.compare(other) === 0;
  }
  toPlain(): string {
    return this.text;
  }
}

/** A version without one is later than all with one. */
function comparePrereleases(left: readonly string[], right: readonly string[]): number {
  if (left.length === 0 || right.length === 0) return Math.sign(right.length - left.length);
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [part = '', other = ''] = [left[index], right[index]];
    if (part === other) continue;
    if (isNumber(part) !== isNumber(other)) return isNumber(part) ? -1 : 1;
    if (isNumber(part)) return BigInt(part) < BigInt(other) ? -1 : 1;
    return compareText(part, other);
  }
  return Math.sign(left.length - right.length);
}

function parse(text: string): SemverValue | Failure {
  const found = text.length <= MAX_TEXT ? SYNTAX.exec(text) : null;
  const prerelease = found?.[4]?.split('.') ?? [];
  if (!found || prerelease.some((part) => isNumber(part) && part.length > 1 && part.startsWith('0')))
    return new Failure(problemOf(text));
  return new SemverValue([BigInt(found[1] ?? 0), BigInt(found[2] ?? 0), BigInt(found[3] ?? 0)], prerelease, text);
}

function problemOf(text: string): string {
  if (text === '') return 'Version string empty';
  if (text.split('.').length < 3) return 'No Major.Minor.Patch elements found';
  return `Invalid character(s) found in version ${JSON.stringify(text.slice(0, MAX_TEXT))}`;
}

/** Without a `v` before it, with all three numbers, and without leading zeros. */
function normalized(text: string): string | Failure {
  const given = text.replace(/^v/, '');
  const [major = '', minor, ...rest] = given.split('.');
  const parts = [major, ...(minor === undefined ? [] : [minor]), ...(rest.length > 0 ? [rest.join('.')] : [])].map(
    (part) => (part.length > 1 ? part.replace(/^0+(?=\d)/, '') : part),
  );
  if (parts.length < 3 && /[+-]/.test(parts.at(-1) ?? ''))
    return new Failure('short version cannot contain PreRelease/Build meta data');
  while (parts.length < 3) parts.push('0');
  return parts.join('.');
}

/** A version as a value; a failure when the text is none. */
export const semverOf = (text: string): CelValue => parse(text);

function semver([text, normalize = false]: readonly CelValue[]): CelValue {
  const given = normalize === true ? normalized(text as string) : (text as string);
  return given instanceof Failure ? given : parse(given);
}

const overload = (signature: string, call: Overload['call']): Overload => declare(signature, call, kubernetesTypes);
const isSemver = (args: readonly CelValue[]): boolean => semver(args) instanceof SemverValue;
const number = (value: CelValue | undefined, index: number): bigint => (value as SemverValue).numbers[index] ?? 0n;
const order = ([left, right]: readonly CelValue[]): number => (left as SemverValue).compare(right as SemverValue);

export const semverLibrary = (): Overload[] => [
  overload('semver(string): kubernetes.Semver', semver),
  overload('semver(string, bool): kubernetes.Semver', semver),
  overload('isSemver(string): bool', isSemver),
  overload('isSemver(string, bool): bool', isSemver),
  overload('kubernetes.Semver:major(): int', ([value]) => number(value, 0)),
  overload('kubernetes.Semver:minor(): int', ([value]) => number(value, 1)),
  overload('kubernetes.Semver:patch(): int', ([value]) => number(value, 2)),
  overload('kubernetes.Semver:isGreaterThan(kubernetes.Semver): bool', (args) => order(args) > 0),
  overload('kubernetes.Semver:isLessThan(kubernetes.Semver): bool', (args) => order(args) < 0),
  overload('kubernetes.Semver:compareTo(kubernetes.Semver): int', (args) => BigInt(order(args))),
];
