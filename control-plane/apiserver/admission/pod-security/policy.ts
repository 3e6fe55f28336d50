/** The levels of the Pod Security Standards, and which of them the labels of a namespace ask for. */
import { invalid, type FieldError } from '../../../../api/machinery/field-error.ts';
import { own } from '../../../../api/machinery/own.ts';

/** From the least strict to the strictest. */
const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof LEVELS)[number];

export interface LevelVersion {
  readonly level: Level;
  /** Of `v1.MINOR`; LATEST for `latest`. */
  readonly minor: number;
}
export const LATEST = Infinity;

export interface Policy {
  /** Pods that violate it are rejected; */
  readonly enforce: LevelVersion;
  /** noted in the audit annotations; */
  readonly audit: LevelVersion;
  /** warned of. */
  readonly warn: LevelVersion;
}

/** Of the labels of a namespace and of audit annotations. */
export const LABEL_PREFIX = 'pod-security.kubernetes.io/';

const PRIVILEGED: LevelVersion = { level: 'privileged', minor: LATEST };
/** Upstream's defaults: nothing is restricted unless the labels of a namespace say so. */
export const UNRESTRICTED: Policy = { enforce: PRIVILEGED, audit: PRIVILEGED, warn: PRIVILEGED };

const MODES = ['enforce', 'audit', 'warn'] as const;
type Mode = (typeof MODES)[number];

/** `restricted:v1.30`, `baseline:latest` */
export const policyText = ({ level, minor }: LevelVersion): string =>
  `${level}:${minor === LATEST ? 'latest' : `v1.${minor}`}`;

export const samePolicy = (a: LevelVersion, b: LevelVersion): boolean => a.level === b.level && a.minor === b.minor;

/** Less than, equal to or greater than 0 as `a` is less strict than `b`, as strict, or stricter. */
export const compareLevels = (a: Level, b: Level): number => LEVELS.indexOf(a) - LEVELS.indexOf(b);

export const isPrivileged = ({ level }: LevelVersion): boolean => level === 'privileged';
export const allowsAnything = (policy: Policy): boolean => MODES.every((mode) => isPrivileged(policy[mode]));

const LEVEL_PROBLEM = `must be one of ${LEVELS.join(', ')}`;
const VERSION_PROBLEM = 'must be "latest" or "v1.x"';

const parseLevel = (text: string): Level | undefined => LEVELS.find((level) => level === text);

function parseMinor(text: string): number | undefined {
  if (text === 'latest') return LATEST;
  const minor = /^v1\.(\d|[1-9]\d*)$/.exec(text)?.[1];
  return minor !== undefined && Number.isSafeInteger(Number(minor)) ? Number(minor) : undefined;
}

/** Reads `restricted:v1.30`; undefined when it is no such thing. */
export function parsePolicy(text: string): LevelVersion | undefined {
  const [level = '', version = '', ...rest] = text.split(':');
  const [known, minor] = [parseLevel(level), parseMinor(version)];
  return known !== undefined && minor !== undefined && rest.length === 0 ? { level: known, minor } : undefined;
}

export interface LabelledPolicy {
  readonly policy: Policy;
  /** Of the labels. */
  readonly errors: readonly FieldError[];
}

/**
 * The policy that the labels of a namespace ask for, as upstream's `PolicyToEvaluate`: what cannot be read is enforced as
 * `restricted` and `latest`, and neither audited nor warned of. A namespace that enforces a stricter level than the default one for
 * warnings also warns of it.
 * https://kubernetes.io/docs/concepts/security/pod-security-admission/#pod-security-admission-labels-for-namespaces
 */
export function policyOfLabels(labels: Readonly<Record<string, string>> | undefined, defaults: Policy): LabelledPolicy {
  if (!labels) return { policy: defaults, errors: [] };
  const errors: FieldError[] = [];
  const label = (name: string): string | undefined => own(labels, `${LABEL_PREFIX}${name}`);
  const refuse = (name: string, problem: string): void => {
    errors.push(invalid(`metadata.labels[${LABEL_PREFIX}${name}]`, label(name), problem));
  };
  const read = (mode: Mode): LevelVersion => {
    let { level, minor } = defaults[mode];
    const [writtenLevel, writtenVersion] = [label(mode), label(`${mode}-version`)];
    if (writtenLevel !== undefined) {
      const known = parseLevel(writtenLevel);
      level = known ?? (mode === 'enforce' ? 'restricted' : 'privileged');
      if (known === undefined) refuse(mode, LEVEL_PROBLEM);
    }
    if (writtenVersion !== undefined) {
      const known = parseMinor(writtenVersion);
      minor = known ?? LATEST;
      if (known === undefined) refuse(`${mode}-version`, VERSION_PROBLEM);
    }
    return { level, minor };
  };
  const [enforce, audit, warn] = [read('enforce'), read('audit'), read('warn')];
  const enforces = parseLevel(label('enforce') ?? '') !== undefined;
  if (label('warn') !== undefined || !enforces || compareLevels(enforce.level, warn.level) <= 0) {
    return { policy: { enforce, audit, warn }, errors };
  }
  const minor = label('warn-version') === undefined ? enforce.minor : warn.minor;
  return { policy: { enforce, audit, warn: { level: enforce.level, minor } }, errors };
}

/**
 * What a namespace's labels ask for in vain because it is exempt: `enforce=restricted:latest, warn=baseline:v1.30`; '' when that is
 * no more than what is allowed anyway.
 */
export function ignoredPolicy(
  labels: Readonly<Record<string, string>> | undefined,
  { policy }: LabelledPolicy,
  defaults: Policy,
): string {
  const isDefault = (mode: Mode): boolean =>
    (isPrivileged(policy[mode]) && isPrivileged(defaults[mode])) || samePolicy(policy[mode], defaults[mode]);
  if (!labels || allowsAnything(policy) || MODES.every(isDefault)) return '';
  const isSet = (mode: Mode): boolean =>
    Object.hasOwn(labels, `${LABEL_PREFIX}${mode}`) || Object.hasOwn(labels, `${LABEL_PREFIX}${mode}-version`);
  const shown = MODES.filter((mode) => !isPrivileged(policy[mode]) && isSet(mode));
  return shown.map((mode) => `${mode}=${policyText(policy[mode])}`).join(', ');
}
