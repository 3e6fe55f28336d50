import { ACCOUNT_NAME_ANNOTATION, TOKEN_SECRET_TYPE } from '../../domain/service-accounts.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, invalid, required } from '../../machinery/field-error.ts';
import { validateConfigKeys, validateImmutable, validateTotalSize } from './config-data.ts';
import { isJsonObject, own, setOwn } from '../../machinery/own.ts';
import { Secret } from '../../types/core/v1.gen.ts';
import { tlsPairProblem } from './tls-pair.ts';

const TLS_TYPE = 'kubernetes.io/tls';
/** Its key may not be empty, what other types need may. */
const SSH_TYPE = 'kubernetes.io/ssh-auth';

/** The required keys of each type of Secret. */
const NEEDED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ['kubernetes.io/dockercfg', ['.dockercfg']],
  ['kubernetes.io/dockerconfigjson', ['.dockerconfigjson']],
  [SSH_TYPE, ['ssh-privatekey']],
  [TLS_TYPE, ['tls.crt', 'tls.key']],
]);

function applyDefaults(secret: Secret): void {
  secret.type ||= 'Opaque';
  if (!secret.stringData) return;
  const data = (secret.data ??= {});
  for (const [key, value] of Object.entries(secret.stringData)) {
    setOwn(data, key, Buffer.from(value).toString('base64'));
  }
  delete secret.stringData;
}

function isJsonMap(base64: string | undefined): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64 ?? '', 'base64').toString());
    return value === null || isJsonObject(value);
  } catch {
    return false;
  }
}

function validate({ type = '', data = {}, metadata }: Secret): FieldError[] {
  const errors = [...validateConfigKeys(data, 'data'), ...validateTotalSize('data', {}, data)];
  for (const key of NEEDED_KEYS.get(type) ?? []) {
    if (!Object.hasOwn(data, key) || (type === SSH_TYPE && own(data, key) === ''))
      errors.push(required(`data[${key}]`));
    else if (key.startsWith('.docker') && !isJsonMap(own(data, key))) {
      errors.push(invalid(`data[${key}]`, '<secret contents redacted>', 'must be a JSON object'));
    }
  }
  if (type === 'kubernetes.io/basic-auth' && data.username === undefined && data.password === undefined) {
    errors.push(required('data[username]'), required('data[password]'));
  }
  if (type === TOKEN_SECRET_TYPE && !metadata?.annotations?.[ACCOUNT_NAME_ANNOTATION]) {
    errors.push(required(`metadata.annotations[${ACCOUNT_NAME_ANNOTATION}]`));
  }
  return errors;
}

function warnings({ type, data }: Secret): string[] {
  if (type !== TLS_TYPE) return [];
  const textOf = (key: string): string => Buffer.from(own(data, key) ?? '', 'base64').toString('latin1');
  const problem = tlsPairProblem(textOf('tls.crt'), textOf('tls.key'));
  return problem === undefined ? [] : [problem];
}

export const secrets = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  schema: Secret,
  columns: [
    nameColumn(),
    text('Type', ({ type }) => type ?? ''),
    text('Data', ({ data }) => Object.keys(data ?? {}).length),
    ageColumn(),
  ],
  selectableFields: { type: ({ type }) => type ?? '' },
  applyDefaults,
  validate,
  validateUpdate: (secret, old) => validateImmutable(secret, old, ['data']),
  warnings,
});
