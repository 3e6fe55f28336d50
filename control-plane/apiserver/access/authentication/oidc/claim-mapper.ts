/** From the claims of a verified token to a user, by claims and by expressions of CEL: upstream's `jwtAuthenticator`. */
import { visitOnce } from '../../../../../api/machinery/cel/ast.ts';
import { CelCompileError, CelRuntimeError } from '../../../../../api/machinery/cel/errors.ts';
import { baseEnvironment } from '../../../../../api/machinery/cel/library/base.ts';
import { Meter, PER_CALL_LIMIT } from '../../../../../api/machinery/cel/meter.ts';
import { toPlain } from '../../../../../api/machinery/cel/plain.ts';
import { compile, type Program } from '../../../../../api/machinery/cel/program.ts';
import { DYN, listOf, mapOf, STRING, struct, type CelType, type Kind } from '../../../../../api/machinery/cel/types.ts';
import { own } from '../../../../../api/machinery/own.ts';
import { SettingValueError } from '../../../../../daemon/setting-rules.ts';
import type { User } from '../../../http/user.ts';
import { InvalidTokenError } from '../token-authenticator.ts';
import type { JwtAuthenticator, Mapping } from './configuration.ts';

export type Claims = Readonly<Record<string, unknown>>;

const USER_FIELDS: ReadonlyMap<string, CelType> = new Map([
  ['username', STRING],
  ['uid', STRING],
  ['groups', listOf(STRING)],
  ['extra', mapOf(STRING, listOf(STRING))],
]);
const USER = struct('kubernetes.UserInfo', (field) => USER_FIELDS.get(field));
const CLAIMS = mapOf(STRING, DYN);
const UNKNOWN: readonly Kind[] = ['dyn', 'any'];
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';

interface Rule {
  readonly program: Program;
  readonly message: string;
}

type Value = (claims: Claims) => unknown;

export class ClaimMapper {
  readonly #username: Value;
  readonly #groups: Value;
  readonly #uid: Value;
  readonly #extra: readonly (readonly [string, Program])[];
  readonly #required: readonly (readonly [string, string])[];
  readonly #claimRules: readonly Rule[];
  readonly #userRules: readonly Rule[];

  /** Throws SettingValueError for expressions that do not compile. @param path of the authenticator in its configuration */
  constructor({ claimMappings, claimValidationRules = [], userValidationRules = [] }: JwtAuthenticator, path: string) {
    const { username, groups = {}, uid = {}, extra = [] } = claimMappings;
    const mapping = (one: Mapping, name: string, kinds: readonly Kind[]): Program | undefined =>
      one.expression
        ? compiled('claims', one.expression, kinds, `${path}.claimMappings.${name}.expression`)
        : undefined;
    const ofUsername = mapping(username, 'username', ['string']);
    const ofGroups = mapping(groups, 'groups', ['string', 'list']);
    const ofUid = mapping(uid, 'uid', ['string']);
    this.#extra = extra.map(({ key = '', valueExpression = '' }, index) => [
      key,
      compiled('claims', valueExpression, ['string', 'list'], `${path}.claimMappings.extra[${index}].valueExpression`),
    ]);
    this.#required = claimValidationRules.flatMap(({ claim, requiredValue = '' }) =>
      claim ? [[claim, requiredValue]] : [],
    );
    this.#claimRules = claimValidationRules.flatMap(({ expression, message }, index) =>
      expression ? [ruleOf('claims', expression, message, `${path}.claimValidationRules[${index}].expression`)] : [],
    );
    this.#userRules = userValidationRules.map(({ expression = '', message }, index) =>
      ruleOf('user', expression, message, `${path}.userValidationRules[${index}].expression`),
    );
    const others = [...this.#extra.map(([, program]) => program), ...this.#claimRules.map(({ program }) => program)];
    if (ofUsername) requireVerified(ofUsername, others, `${path}.claimMappings.username.expression`);
    this.#username = ofUsername ? expressionOf(ofUsername, 'username') : usernameClaim(username);
    this.#groups = ofGroups ? expressionOf(ofGroups, 'groups') : groupsClaim(groups);
    this.#uid = ofUid ? expressionOf(ofUid, 'uid') : uidClaim(uid);
  }

  /** Throws InvalidTokenError for claims that are missing, of a wrong type, or refused by a rule. */
  userOf(claims: Claims): User {
    const name = this.#username(claims);
    if (typeof name !== 'string') throw failed('username claim expression must return a string');
    if (name === '') throw failed('empty username is not allowed');
    const uid = this.#uid(claims);
    if (typeof uid !== 'string') throw failed('uid claim expression must return a string');
    const more = this.#extraOf(claims);
    const user: User = {
      name,
      ...(uid && { uid }),
      groups: stringsOf(this.#groups(claims), 'groups'),
      ...(Object.keys(more).length > 0 && { extra: more }),
    };
    for (const [claim, value] of this.#required) {
      const found = own(claims, claim);
      if (found === undefined) throw failed(`required claim ${claim} not present in ID token`);
      if (found !== value) throw failed(`required claim ${claim} value does not match`);
    }
    for (const rule of this.#claimRules) requireTrue(rule, { claims });
    if (this.#userRules.length > 0) {
      const { groups, extra = {} } = user;
      const shown = { username: name, uid, groups, extra };
      for (const rule of this.#userRules) requireTrue(rule, { user: shown });
    }
    return user;
  }

  #extraOf(claims: Claims): Readonly<Record<string, readonly string[]>> {
    const extra = new Map<string, readonly string[]>();
    const id = own(claims, 'jti');
    if (typeof id === 'string' && id !== '') extra.set(CREDENTIAL_ID, [`JTI=${id}`]);
    for (const [key, program] of this.#extra) {
      const values = stringsOf(evaluated(program, { claims }, 'extra'), `extra ${key}`);
      if (values.length > 0) extra.set(key, values);
    }
    return Object.fromEntries(extra);
  }
}

const failed = (message: string): InvalidTokenError => new InvalidTokenError(`oidc: ${message}`);

function compiled(variable: 'claims' | 'user', expression: string, kinds: readonly Kind[], path: string): Program {
  const type = variable === 'claims' ? CLAIMS : USER;
  try {
    const program = compile(expression, baseEnvironment().extend({ variables: { [variable]: type } }));
    const { kind } = program.type;
    if (kinds.includes(kind) || UNKNOWN.includes(kind)) return program;
    throw new SettingValueError(`${path}: ${JSON.stringify(expression)} must evaluate to ${kinds.join(' or ')}`);
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    throw new SettingValueError(`${path}: compilation failed: ${error.message}`, { cause: error });
  }
}

function ruleOf(variable: 'claims' | 'user', expression: string, message: string | undefined, path: string): Rule {
  if (!expression) throw new SettingValueError(`${path}: expression is required`);
  const program = compiled(variable, expression, ['bool'], path);
  return { program, message: message || `validation expression '${expression}' failed` };
}

/** An address that the issuer has not verified could be anybody's: upstream requires to look at `email_verified`, too. */
function requireVerified(username: Program, others: readonly Program[], path: string): void {
  if (!readsClaim(username, 'email') || [username, ...others].some((one) => readsClaim(one, 'email_verified'))) return;
  throw new SettingValueError(
    `${path}: claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression`,
  );
}

function readsClaim({ tree }: Program, claim: string): boolean {
  let found = false;
  visitOnce(tree, (expr) => {
    if (expr.kind === 'select' && expr.field === claim) found = true;
    if (expr.kind === 'literal' && expr.value === claim) found = true;
  });
  return found;
}

function evaluated(program: Program, variables: Readonly<Record<string, unknown>>, what: string): unknown {
  try {
    return toPlain(program.evaluate(variables).value, new Meter(PER_CALL_LIMIT));
  } catch (error) {
    if (!(error instanceof CelRuntimeError)) throw error;
    throw failed(`error evaluating ${what} claim expression: ${error.message}`);
  }
}

const expressionOf =
  (program: Program, what: string): Value =>
  (claims) =>
    evaluated(program, { claims }, what);

function requireTrue({ program, message }: Rule, variables: Readonly<Record<string, unknown>>): void {
  if (evaluated(program, variables, 'validation') !== true) throw failed(message);
}

const usernameClaim =
  ({ claim = '', prefix = '' }: Mapping): Value =>
  (claims) => {
    const name = own(claims, claim);
    if (typeof name !== 'string')
      throw failed(`parse username claims ${JSON.stringify(claim)}: claim not present, or no string`);
    const verified = own(claims, 'email_verified');
    if (claim === 'email' && verified !== undefined && verified !== true) throw failed('email not verified');
    return prefix + name;
  };

const groupsClaim =
  ({ claim, prefix = '' }: Mapping): Value =>
  (claims) => {
    const groups = claim ? own(claims, claim) : undefined;
    return groups === undefined || groups === null ? [] : stringsOf(groups, 'groups').map((group) => prefix + group);
  };

const uidClaim =
  ({ claim }: Mapping): Value =>
  (claims) => {
    if (!claim) return '';
    const uid = own(claims, claim);
    if (typeof uid !== 'string')
      throw failed(`parse uid claim ${JSON.stringify(claim)}: claim not present, or no string`);
    return uid;
  };

/** A string, or a list of them; those that are empty are none. */
function stringsOf(value: unknown, what: string): string[] {
  const values: unknown[] = Array.isArray(value) ? value : value === null ? [] : [value];
  return values.flatMap((one) => {
    if (typeof one !== 'string') throw failed(`${what} must be a string or a list of strings`);
    return one === '' ? [] : [one];
  });
}
