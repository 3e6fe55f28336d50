import { authenticated, type User } from '../../http/user.ts';
import type { AuthenticatedToken, TokenAuthenticator } from './token-authenticator.ts';

/** A line of the token file is invalid. The message names the line and never contains the token. */
export class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
}

/** Splits a line of comma-separated values; a value in double quotes may contain commas, and `""` for a quote. */
function csvFields(line: string): string[] {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(,|$)/y;
  while (field.lastIndex < line.length || (line.endsWith(',') && field.lastIndex === line.length)) {
    const match = field.exec(line);
    if (!match) throw new TokenFileError('token file has a line with unbalanced quotes');
    fields.push(match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').trim());
    if (match[3] === '') break;
  }
  return fields;
}

/**
 * Parses upstream's --token-auth-file: lines of `token,user,uid,"group1,group2"`, with optional groups and `#` comments. Throws
 * TokenFileError.
 */
export function parseTokenFile(text: string): Map<string, User> {
  const users = new Map<string, User>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [token = '', name = '', uid = '', groups = ''] = csvFields(line.trimEnd());
    if (token === '' || name === '') {
      throw new TokenFileError(`line ${index + 1} of the token file must be: token,user,uid,"group1,group2"`);
    }
    if (users.has(token))
      throw new TokenFileError(`line ${index + 1} of the token file repeats the token of an earlier line`);
    const names = groups
      .split(',')
      .map((group) => group.trim())
      .filter((group) => group !== '');
    users.set(token, authenticated({ name, ...(uid && { uid }), groups: names }));
  }
  return users;
}

/** Tokens of the token file; valid for every audience. */
export class StaticTokenAuthenticator implements TokenAuthenticator {
  readonly #users: ReadonlyMap<string, User>;

  constructor(users: ReadonlyMap<string, User>) {
    this.#users = users;
  }

  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined {
    const user = this.#users.get(token);
    return user && { user, audiences };
  }
}
