/** `limit`, `continue`, `resourceVersion` and their kin: how upstream reads and refuses them. */
import { forbidden, invalid, notSupported, type FieldError } from '../../../api/machinery/field-error.ts';
import { isTrue, parseInt64, uint64Error, type Query } from '../../../api/machinery/query-values.ts';
import { badRequest, invalidObject } from '../../../api/machinery/status-error.ts';
import { readToken, type ContinueToken } from '../storage/continue-token.ts';

export interface ListOptions {
  /** 0: all. */
  readonly limit: number;
  readonly continueFrom: ContinueToken | undefined;
  /** Undefined: the latest. */
  readonly revision: number | undefined;
  readonly match: '' | 'Exact' | 'NotOlderThan';
}

const LIST_OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' };
/** `prefix` is of the keys that are listed, `newest` the latest revision. */
export function parseListOptions(query: Query, prefix: string, newest: number): ListOptions {
  const revisionText = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  const continueText = query.get('continue') ?? '';
  const errors: FieldError[] = [];
  if (match) {
    if (continueText) {
      errors.push(forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'));
    } else if (!revisionText) {
      errors.push(
        forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      );
    }
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    } else if (match === 'Exact' && revisionText === '0') {
      errors.push(
        forbidden('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
      );
    }
  }
  if (query.has('sendInitialEvents')) {
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  if (errors.length > 0) throw invalidObject(LIST_OPTIONS, '', errors);
  const limit = parseInt64(query.get('limit') || '0');
  if (continueText && revisionText && revisionText !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  return {
    limit: Math.max(0, limit),
    continueFrom: continueText ? readToken(continueText, prefix, newest) : undefined,
    revision: parseRevision(revisionText),
    match: match === 'Exact' || match === 'NotOlderThan' ? match : '',
  };
}

export interface WatchOptions {
  /** Undefined: from what is there now. */
  readonly revision: number | undefined;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutMs: number | undefined;
}

export function parseWatchOptions(query: Query): WatchOptions {
  const errors: FieldError[] = [];
  const match = query.get('resourceVersionMatch') ?? '';
  const initial = query.has('sendInitialEvents') ? isTrue(query.get('sendInitialEvents')) : undefined;
  if (initial !== undefined && match !== 'NotOlderThan') {
    errors.push(
      forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
    );
  } else if (initial === undefined && match) {
    errors.push(
      forbidden(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    );
  }
  if (initial !== undefined && !isTrue(query.get('allowWatchBookmarks'))) {
    errors.push(invalid('allowWatchBookmarks', false, 'sendInitialEvents requires allowWatchBookmarks'));
  }
  if (errors.length > 0) throw invalidObject(LIST_OPTIONS, '', errors);
  const seconds = parseInt64(query.get('timeoutSeconds') || '0');
  return {
    revision: parseRevision(query.get('resourceVersion') ?? ''),
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: initial,
    timeoutMs: seconds > 0 ? seconds * 1000 : undefined,
  };
}

export function parseRevision(text: string): number | undefined {
  if (text === '') return undefined;
  const error = uint64Error(text);
  if (error !== undefined) {
    throw badRequest(
      `Invalid value for resourceVersion: resourceVersion: Invalid value: ${JSON.stringify(text)}: ${error}`,
    );
  }
  return Number(text);
}
