/**
 * The functions by which expressions ask what a user may do: upstream's `cel/library/authz.go`.
 * https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
 */
import { overload, type Overload } from '../../machinery/cel/environment.ts';
import { struct, type CelType } from '../../machinery/cel/types.ts';
import { Extension, Failure, type CelValue } from '../../machinery/cel/values.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';

/** What an authorizer is asked. */
export interface Check {
  readonly verb: string;
  /** Of a request for no resource. */
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** @param serviceAccount instead of the user of the request */
export type Authorize = (
  check: Check,
  serviceAccount?: { readonly namespace: string; readonly name: string },
) => { readonly allowed: boolean; readonly reason: string; readonly error?: string };

const PREFIX = 'kubernetes.authorization.';
const noField = (): undefined => undefined;
const named = (name: string): CelType => struct(`${PREFIX}${name}`, noField);

export const AUTHORIZER = named('Authorizer');
export const RESOURCE_CHECK = named('ResourceCheck');
const PATH_CHECK = named('PathCheck');
const GROUP_CHECK = named('GroupCheck');
const DECISION = named('Decision');

abstract class AuthorizerPart extends Extension {
  abstract override readonly celType: CelType;
  equals(other: Extension): boolean {
    return this === other;
  }
  toPlain(): undefined {
    return undefined;
  }
}

/** `authorizer`: of the user of the request, or of a service account. */
export class AuthorizerValue extends AuthorizerPart {
  readonly celType = AUTHORIZER;
  readonly authorize: (check: Check) => ReturnType<Authorize>;
  readonly #ask: Authorize;

  constructor(ask: Authorize, account?: Parameters<Authorize>[1]) {
    super();
    this.#ask = ask;
    this.authorize = (check) => ask(check, account);
  }

  ofServiceAccount(namespace: string, name: string): CelValue {
    if (validateSubdomainName(name).length > 0) return new Failure('Invalid service account name');
    if (validateLabelName(namespace).length > 0) return new Failure('Invalid service account namespace');
    return new AuthorizerValue(this.#ask, { namespace, name });
  }
}

class GroupCheck extends AuthorizerPart {
  readonly celType = GROUP_CHECK;
  readonly authorizer: AuthorizerValue;
  readonly group: string;
  constructor(authorizer: AuthorizerValue, group: string) {
    super();
    this.authorizer = authorizer;
    this.group = group;
  }
}

/** A check of a path, or of a resource. */
class PreparedCheck extends AuthorizerPart {
  readonly celType: CelType;
  readonly #authorizer: AuthorizerValue;
  readonly #check: Omit<Check, 'verb'>;

  constructor(celType: CelType, authorizer: AuthorizerValue, check: Omit<Check, 'verb'>) {
    super();
    this.celType = celType;
    this.#authorizer = authorizer;
    this.#check = check;
  }

  with(more: Partial<Check>): PreparedCheck {
    return new PreparedCheck(this.celType, this.#authorizer, { ...this.#check, ...more });
  }

  decide(verb: string): Decision {
    return new Decision(this.#authorizer.authorize({ ...this.#check, verb }));
  }
}

/** `authorizer.requestResource`. */
export const resourceCheck = (authorizer: AuthorizerValue, resource: Omit<Check, 'verb' | 'path'>): Extension =>
  new PreparedCheck(RESOURCE_CHECK, authorizer, resource);

class Decision extends AuthorizerPart {
  readonly celType = DECISION;
  readonly allowed: boolean;
  readonly reason: string;
  /** Why an authorizer has failed; '' when none has. */
  readonly error: string;
  constructor({ allowed, reason, error = '' }: ReturnType<Authorize>) {
    super();
    this.allowed = allowed;
    this.reason = reason;
    this.error = error;
  }
}

/** By their names in signatures. */
const TYPES = new Map(
  [AUTHORIZER, RESOURCE_CHECK, PATH_CHECK, GROUP_CHECK, DECISION].map((type) => [type.name.slice(PREFIX.length), type]),
);

/** The checker has seen to it that the receiver is what a signature says. */
const receiver = <T>(value: CelValue | undefined): T => value as T;
const text = (value: CelValue | undefined): string => (typeof value === 'string' ? value : '');
const isBlank = (value: CelValue | undefined): boolean => text(value).trim() === '';

const declare = (signature: string, call: Overload['call']): Overload =>
  overload(signature, call, (name) => TYPES.get(name));

/** `ResourceCheck.subresource(string)` and its like. */
const refine = (name: keyof Check): Overload =>
  declare(`ResourceCheck:${name}(string): ResourceCheck`, ([check, value]) =>
    receiver<PreparedCheck>(check).with({ [name]: text(value) }),
  );

export const AUTHORIZER_FUNCTIONS: readonly Overload[] = [
  declare('Authorizer:path(string): PathCheck', ([authorizer, path]) => {
    if (isBlank(path)) return new Failure('path must not be empty');
    return new PreparedCheck(PATH_CHECK, receiver<AuthorizerValue>(authorizer), { path: text(path) });
  }),
  declare(
    'Authorizer:group(string): GroupCheck',
    ([authorizer, group]) => new GroupCheck(receiver<AuthorizerValue>(authorizer), text(group)),
  ),
  declare('Authorizer:serviceAccount(string, string): Authorizer', ([authorizer, namespace, name]) =>
    receiver<AuthorizerValue>(authorizer).ofServiceAccount(text(namespace), text(name)),
  ),
  declare('GroupCheck:resource(string): ResourceCheck', ([check, resource]) => {
    if (isBlank(resource)) return new Failure('resource must not be empty');
    const { authorizer, group } = receiver<GroupCheck>(check);
    return new PreparedCheck(RESOURCE_CHECK, authorizer, { group, resource: text(resource) });
  }),
  refine('subresource'),
  refine('namespace'),
  refine('name'),
  refine('fieldSelector'),
  refine('labelSelector'),
  ...['PathCheck', 'ResourceCheck'].map((type) =>
    declare(`${type}:check(string): Decision`, ([check, verb]) => receiver<PreparedCheck>(check).decide(text(verb))),
  ),
  declare('Decision:allowed(): bool', ([decision]) => receiver<Decision>(decision).allowed),
  declare('Decision:reason(): string', ([decision]) => receiver<Decision>(decision).reason),
  declare('Decision:errored(): bool', ([decision]) => receiver<Decision>(decision).error !== ''),
  declare('Decision:error(): string', ([decision]) => receiver<Decision>(decision).error),
];
