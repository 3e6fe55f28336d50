/** Checks a policy's expressions against the kinds that it names: upstream's `policy/validating/typechecking.go`. */
import { setImmediate } from 'node:timers/promises';
import { PolicyCompiler } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { compareText } from '../../../../api/machinery/compare-text.ts';
import type { CelType } from '../../../../api/machinery/cel/types.ts';
import type { Kind } from '../../../../api/machinery/kind.ts';
import type {
  ExpressionWarning,
  NamedRuleWithOperations,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicySpec,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import { ConfigurationError, Params } from './params.ts';
import { objectTypeOf } from './schema-types.ts';

/** More would not fit into the object. */
const MAX_WARNING_CHARS = 256 * 1024;
/** Upstream's `maxTypesToCheck`, of one rule. */
const MAX_KINDS = 10;

/** The expressions of a policy that are checked, by where they are. */
function* checkedExpressions({ validations = [] }: ValidatingAdmissionPolicySpec): Generator<[string, string]> {
  for (const [index, { expression, messageExpression }] of validations.entries()) {
    yield [`spec.validations[${index}].expression`, expression];
    if (messageExpression) yield [`spec.validations[${index}].messageExpression`, messageExpression];
  }
}

/**
 * A policy with warnings works as any other: its expressions may guard against what a kind does not have. Other requests are served
 * between two kinds.
 */
export async function typeWarnings(
  { spec = {} }: ValidatingAdmissionPolicy,
  kinds: ServedKinds,
): Promise<ExpressionWarning[]> {
  const expressions = [...checkedExpressions(spec)];
  const problems = expressions.map((): string[] => []);
  const scope = { params: spec.paramKind !== undefined, composes: true, paramsType: paramsType(spec, kinds) };
  let chars = 0;
  for (const kind of checkedKinds(spec, kinds)) {
    const compiler = new PolicyCompiler({ ...scope, object: objectTypeOf(kind) });
    for (const { name, expression } of spec.variables ?? []) compiler.variable(name, expression);
    for (const [index, [, expression]] of expressions.entries()) {
      const { issues } = compiler.any(expression);
      if (issues === undefined || chars > MAX_WARNING_CHARS) continue;
      problems[index]?.push(`${shownKind(kind)}: ${issues}\n`);
      chars += issues.length;
    }
    await setImmediate();
  }
  return expressions.flatMap(([fieldRef], index) => {
    const found = problems[index] ?? [];
    return found.length > 0 ? [{ fieldRef, warning: found.join('\n') }] : [];
  });
}

const shownKind = ({ group, version, kind }: Kind): string => `${group}/${version}, Kind=${kind}`;

function paramsType({ paramKind }: ValidatingAdmissionPolicySpec, kinds: ServedKinds): CelType | undefined {
  if (!paramKind) return undefined;
  try {
    return objectTypeOf(new Params(kinds).resource(paramKind).kind);
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
}

/** Those that the rules name without wildcards, in order. */
function checkedKinds({ matchConstraints }: ValidatingAdmissionPolicySpec, kinds: ServedKinds): Kind[] {
  const found = new Set<Kind>();
  for (const rule of matchConstraints?.resourceRules ?? []) {
    const named = [...namedKinds(rule, kinds)];
    for (const kind of named) found.add(kind);
    if (named.length === MAX_KINDS) break;
  }
  return [...found].sort((a, b) => compareText(shownKind(a), shownKind(b)));
}

function* namedKinds(rule: NamedRuleWithOperations, kinds: ServedKinds): Generator<Kind> {
  const { apiGroups = [], apiVersions = [], resources = [] } = rule;
  if ([...apiGroups, ...apiVersions].some((name) => name.includes('*'))) return;
  const plain = resources.filter((name) => !/[*/]/.test(name)).sort();
  let count = 0;
  for (const group of apiGroups.toSorted())
    for (const version of apiVersions.toSorted())
      for (const resource of plain) {
        const kind = kinds.find(group, version, resource)?.kind;
        if (!kind) continue;
        yield kind;
        count += 1;
        if (count === MAX_KINDS) return;
      }
}
