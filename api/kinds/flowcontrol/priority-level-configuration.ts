/** https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#prioritylevelconfiguration */
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, forbidden, invalid, notSupported, required, type FieldError } from '../../machinery/field-error.ts';
import { own } from '../../machinery/own.ts';
import {
  PriorityLevelConfiguration,
  type ExemptPriorityLevelConfiguration,
  type LimitedPriorityLevelConfiguration,
  type LimitResponse,
  type PriorityLevelConfigurationSpec,
  type QueuingConfiguration,
} from '../../types/flowcontrol/v1.gen.ts';
import { EXEMPT, mandatoryLevels } from './default-configuration.ts';
import { flowControlStatus, shownStruct } from './validation.ts';

const DEFAULTS = { shares: 30, queues: 64, handSize: 8, queueLengthLimit: 50 };
const MAX_QUEUES = 10_000_000;
/** Of the hash of a flow, how many bits are fair to deal a hand of queues with: upstream's `shufflesharding.MaxHashBits`. */
const MAX_HASH_BITS = 60;
/** Written by versions that are not served any more. */
const ROUND_TRIP_ANNOTATION = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

type Shares = Pick<LimitedPriorityLevelConfiguration, 'nominalConcurrencyShares' | 'lendablePercent'>;

function validateShares({ nominalConcurrencyShares }: Shares, path: string): FieldError[] {
  const shares = nominalConcurrencyShares ?? 0;
  return shares < 0 ? [invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer')] : [];
}

function validateLendable({ lendablePercent: percent = 0 }: Shares, path: string): FieldError[] {
  if (percent >= 0 && percent <= 100) return [];
  return [invalid(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive')];
}

function handProblem(queues: number, handSize: number): string | undefined {
  if (handSize <= 0) return 'must be positive';
  if (handSize > queues) return `should not be greater than queues (${queues})`;
  const bits = Math.ceil(Math.log2(queues) * handSize);
  return bits > MAX_HASH_BITS
    ? `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MAX_HASH_BITS}`
    : undefined;
}

function validateQueuing(queuing: QueuingConfiguration, path: string): FieldError[] {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  const errors: FieldError[] = [];
  if (queueLengthLimit <= 0) errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'));
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, 'must be positive'));
  else if (queues > MAX_QUEUES) {
    errors.push(invalid(`${path}.queues`, queues, `must not be greater than ${MAX_QUEUES}`));
  }
  const problem = handProblem(queues, handSize);
  if (problem !== undefined) errors.push(invalid(`${path}.handSize`, handSize, problem));
  return errors;
}

function validateLimitResponse({ type, queuing }: LimitResponse, path: string): FieldError[] {
  const at = `${path}.queuing`;
  switch (type) {
    case 'Reject':
      return queuing ? [forbidden(at, 'must be nil if limited.limitResponse.type is not Limited')] : [];
    case 'Queue':
      if (queuing) return validateQueuing(queuing, at);
      return [required(at, 'must not be empty if limited.limitResponse.type is Limited')];
    default:
      return [notSupported(`${path}.type`, type, ['Queue', 'Reject'])];
  }
}

function validateLimited(limited: LimitedPriorityLevelConfiguration, path: string): FieldError[] {
  const { limitResponse = { type: '' }, borrowingLimitPercent: borrowing = 0 } = limited;
  const errors = validateShares(limited, path);
  addErrors(errors, validateLimitResponse(limitResponse, `${path}.limitResponse`));
  addErrors(errors, validateLendable(limited, path));
  if (borrowing < 0) {
    errors.push(invalid(`${path}.borrowingLimitPercent`, borrowing, 'if specified, must be a non-negative integer'));
  }
  return errors;
}

const validateExempt = (exempt: ExemptPriorityLevelConfiguration, path: string): FieldError[] => [
  ...validateShares(exempt, path),
  ...validateLendable(exempt, path),
];

function validateSpec(name: string, { type, limited, exempt }: PriorityLevelConfigurationSpec): FieldError[] {
  const errors: FieldError[] = [];
  if ((name === EXEMPT) !== (type === 'Exempt')) {
    errors.push(invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'"));
  }
  switch (type) {
    case 'Exempt':
      if (limited) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'));
      if (exempt) addErrors(errors, validateExempt(exempt, 'spec.exempt'));
      break;
    case 'Limited':
      if (exempt) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'));
      if (limited) addErrors(errors, validateLimited(limited, 'spec.limited'));
      else errors.push(required('spec.limited', 'must not be empty when type is Limited'));
      break;
    default:
      errors.push(notSupported('spec.type', type, ['Exempt', 'Limited']));
  }
  return errors;
}

const SPEC_FIELDS = {
  type: undefined,
  limited: {
    nominalConcurrencyShares: undefined,
    limitResponse: {
      type: undefined,
      queuing: { queues: undefined, handSize: undefined, queueLengthLimit: undefined },
    },
    lendablePercent: undefined,
    borrowingLimitPercent: undefined,
  },
  exempt: { nominalConcurrencyShares: undefined, lendablePercent: undefined },
};

function validateFixed(name: string, spec: PriorityLevelConfigurationSpec): FieldError[] {
  const fixed = mandatoryLevels.find((level) => level.metadata.name === name);
  if (!fixed) return [];
  const isExempt = name === EXEMPT;
  const compared = isExempt ? { ...spec, exempt: fixed.spec.exempt } : spec;
  if (semanticallyEqual(compared, fixed.spec)) return [];
  const part = isExempt ? " except the 'spec.exempt' field" : '';
  return [invalid('spec', shownStruct(spec, SPEC_FIELDS), `spec of '${name}'${part} must equal the fixed value`)];
}

type Level = PriorityLevelConfiguration;
const queuingOf = ({ spec }: Level): QueuingConfiguration | undefined => spec?.limited?.limitResponse?.queuing;

export const priorityLevelConfigurations = defineKind<Level>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  namespaced: false,
  schema: PriorityLevelConfiguration,
  hasGeneration: true,
  subresources: [flowControlStatus()],
  columns: [
    nameColumn(),
    text('Type', ({ spec }) => spec?.type ?? ''),
    text('NominalConcurrencyShares', ({ spec }) => spec?.limited?.nominalConcurrencyShares ?? '<none>'),
    text('Queues', (level) => queuingOf(level)?.queues ?? '<none>'),
    text('HandSize', (level) => queuingOf(level)?.handSize ?? '<none>'),
    text('QueueLengthLimit', (level) => queuingOf(level)?.queueLengthLimit ?? '<none>'),
    ageColumn(),
  ],
  applyDefaults: (level) => {
    const { limited, exempt } = level.spec ?? {};
    if (exempt) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
    if (limited) {
      limited.nominalConcurrencyShares ??= DEFAULTS.shares;
      limited.lendablePercent ??= 0;
    }
    const queuing = queuingOf(level);
    if (!queuing) return;
    queuing.queues ||= DEFAULTS.queues;
    queuing.handSize ||= DEFAULTS.handSize;
    queuing.queueLengthLimit ||= DEFAULTS.queueLengthLimit;
  },
  prepareForCreate: (level) => {
    level.status = {};
  },
  validate: ({ metadata, spec = { type: '' } }) => {
    const name = metadata?.name ?? '';
    const errors: FieldError[] = [];
    if (own(metadata?.annotations ?? {}, ROUND_TRIP_ANNOTATION) !== undefined) {
      errors.push(forbidden('metadata.annotations', `annotation '${ROUND_TRIP_ANNOTATION}' is forbidden`));
    }
    addErrors(errors, validateSpec(name, spec));
    addErrors(errors, validateFixed(name, spec));
    return errors;
  },
});
