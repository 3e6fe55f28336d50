/** Compiles the expressions of webhooks and policies, with upstream's errors: `plugin/cel/compile.go` and `composition.go`. */
import type { Environment } from '../../machinery/cel/environment.ts';
import { CelCompileError } from '../../machinery/cel/errors.ts';
import { baseEnvironment, jsonPatchLibrary } from '../../machinery/cel/library/base.ts';
import { compile, type Program } from '../../machinery/cel/program.ts';
import {
  BOOL,
  DYN,
  isSameType,
  listOf,
  mapOf,
  NULL,
  printType,
  STRING,
  struct,
  type CelType,
} from '../../machinery/cel/types.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { AUTHORIZER, AUTHORIZER_FUNCTIONS, RESOURCE_CHECK } from './authorizer-library.ts';
import { NAMESPACE, REQUEST } from './expression-types.ts';

/** A compiled expression, or why it cannot be compiled. */
export type Compiled =
  | {
      readonly expression: string;
      readonly program: Program;
      readonly problem?: undefined;
      readonly issues?: undefined;
    }
  | {
      readonly expression: string;
      readonly program?: undefined;
      readonly problem: string;
      /** What the compiler has found; undefined when the result is of a wrong type. */
      readonly issues?: string;
    };

/** The error of an expression, when it has not been compiled. @param written as it is in the object */
export const expressionErrors = ({ problem }: Compiled, written: string, path: string): FieldError[] =>
  problem === undefined ? [] : [invalid(path, written, problem)];

export interface Scope {
  /** Whether there is `params`. */
  readonly params: boolean;
  /** Whether there is `variables`. */
  readonly composes: boolean;
  /** Of `object` and `oldObject`, and of `params`, where they are known. */
  readonly object?: CelType | undefined;
  readonly paramsType?: CelType | undefined;
}

const OBJECT = 'Object';
const anyField = (): CelType => DYN;
/** `Object` and `Object.spec.template`: the fields of a configuration are not known before it is applied. */
const objectType = (name: string): CelType | undefined =>
  name === OBJECT || name.startsWith(`${OBJECT}.`) ? struct(name, anyField) : undefined;

const OPERATION_FIELDS: ReadonlyMap<string, CelType> = new Map([
  ['op', STRING],
  ['path', STRING],
  ['from', STRING],
  ['value', DYN],
]);
const OPERATION = struct('JSONPatch', (field) => OPERATION_FIELDS.get(field));
const patchTypes = (name: string): CelType | undefined => (name === OPERATION.name ? OPERATION : objectType(name));

const CONFIGURATION = struct(OBJECT, anyField);
const OPERATIONS = listOf(OPERATION);

/** Characters take some microseconds each to compile, and meanwhile no other request is served. Upstream has no such limit. */
const MAX_TOTAL_CHARS = 128 * 1024;
const TOO_MANY = `the expressions of a policy may have at most ${MAX_TOTAL_CHARS} characters in total`;

/** Compiles the expressions of one policy, or the conditions of one webhook: each may refer to the variables that have been compiled before it. */
export class PolicyCompiler {
  readonly #variables = new Map<string, CelType>();
  readonly #plain: Environment;
  readonly #authorized: Environment;
  #patching: Environment | undefined;
  #remaining = MAX_TOTAL_CHARS;

  constructor({ params, composes, object = DYN, paramsType = DYN }: Scope) {
    const composed = struct('kubernetes.variables', (name) => this.#variables.get(name));
    this.#plain = baseEnvironment().extend({
      variables: {
        object,
        oldObject: object,
        namespaceObject: NAMESPACE,
        request: REQUEST,
        ...(params && { params: paramsType }),
        ...(composes && { variables: composed }),
      },
    });
    this.#authorized = this.#plain.extend({
      variables: { authorizer: AUTHORIZER, 'authorizer.requestResource': RESOURCE_CHECK },
      functions: AUTHORIZER_FUNCTIONS,
    });
  }

  /** From now on `variables.NAME` is known, as one of any type when its expression is not valid. */
  variable(name: string, expression: string): Compiled {
    const compiled = this.#compile([], expression, this.#authorized);
    this.#variables.set(name, compiled.program ? declared(compiled.program.type) : DYN);
    return compiled;
  }

  condition(expression: string): Compiled {
    return this.#compile([BOOL], expression, this.#authorized);
  }

  validation(expression: string): Compiled {
    return this.#compile([BOOL], expression, this.#authorized);
  }

  message(expression: string): Compiled {
    return this.#compile([STRING], expression, this.#plain);
  }

  annotation(expression: string): Compiled {
    return this.#compile([STRING, NULL], expression, this.#authorized);
  }

  configuration(expression: string): Compiled {
    return this.#compile([CONFIGURATION], expression, this.#withPatches());
  }

  jsonPatch(expression: string): Compiled {
    return this.#compile([OPERATIONS], expression, this.#withPatches());
  }

  /** An expression whose result may be of any type. */
  any(expression: string): Compiled {
    return this.#compile([], expression, this.#authorized);
  }

  /** @param types that the result may have; empty: any */
  #compile(types: readonly CelType[], expression: string, environment: Environment): Compiled {
    this.#remaining -= expression.length;
    return this.#remaining < 0 ? { expression, problem: TOO_MANY } : compiledTo(types, expression, environment);
  }

  #withPatches(): Environment {
    return (this.#patching ??= this.#authorized.extend({ types: patchTypes, functions: jsonPatchLibrary() }));
  }
}

function compiledTo(types: readonly CelType[], expression: string, environment: Environment): Compiled {
  try {
    const program = compile(expression, environment);
    if (types.length === 0 || types.some((type) => isSameType(type, program.type))) return { expression, program };
    const [only] = types;
    const wanted = types.length === 1 && only ? printType(only) : `one of [${types.map(printType).join(' ')}]`;
    return { expression, problem: `must evaluate to ${wanted} but got ${printType(program.type)}` };
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return { expression, problem: `compilation failed: ${error.message}`, issues: error.message };
  }
}

/** What other expressions know of the type of a variable: upstream's `convertCelTypeToDeclType`. */
function declared(type: CelType): CelType {
  const [first = DYN, second = DYN] = type.params;
  switch (type.kind) {
    case 'list':
      return listOf(declared(first));
    case 'map':
      return mapOf(declared(first), declared(second));
    case 'opaque':
    case 'param':
    case 'struct':
    case 'type':
      return DYN;
    default:
      return type;
  }
}
