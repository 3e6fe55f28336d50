/** `limit`, `continue`, `resourceVersion` and their kin: how upstream reads and refuses them. */
import { forbidden, notSupported, type FieldError } from '../../../api/machinery/field-error.ts';
import { isTrue, parseInt64, uint64Error, type Query } from '../../../api/machinery/query-values.ts';
import { badRequest, invalidObject } from '../../../api/machinery/status-error.ts';
import { MAX_TIMER_MS } from '../../../client/deadline.ts';
import { readToken, type ContinueToken } from '../storage/continue-token.ts';

export interface ListOptions {
  /** 0: all. */
  readonly limit: number;
  readonly continueFrom: ContinueToken | undefined;
  /** Undefined: the latest. */
  readonly revision: number | undefined;
  /** Whether it is the list at the revision that is wanted, not one that is no older. */
  readonly isExact: boolean;
}

/** The errors are upstream's, in its order (`ValidateListOptions` of apimachinery, then that of apiserver's storage). */
const LIST_OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' };
/** `prefix` is of the keys that are listed, `newest` the latest revision. */
export function parseListOptions(query: Query, prefix: string, newest: number): ListOptions {
  const { limit } = readNumbers(query);
  const revisionText = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  const continueText = query.get('continue') ?? '';
  const errors: FieldError[] = [];
  if (match) {
    if (!revisionText) errors.push(forbiddenMatch('is forbidden unless resourceVersion is provided'));
    if (continueText) errors.push(forbiddenMatch('is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    } else if (match === 'Exact' && revisionText === '0') {
      errors.push(forbiddenMatch('"exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (query.has('sendInitialEvents')) {
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  if (errors.length > 0) throw invalidObject(LIST_OPTIONS, '', errors);
  if (continueText && revisionText && revisionText !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  const revision = parseRevision(revisionText);
  // Without a match, a revision is a lower bound for whole lists, and exact for pages: so it was before there were matches.
  const isPageAt = match === '' && limit > 0 && revision !== undefined && revision > 0;
  return {
    limit: Math.max(0, limit),
    continueFrom: continueText ? readToken(continueText, prefix, newest) : undefined,
    revision,
    isExact: match === 'Exact' || isPageAt,
  };
}

/** Both are read before anything is said of the other options, and by lists and watches alike. */
const readNumbers = (query: Query): { readonly limit: number; readonly seconds: number } => ({
  seconds: parseInt64(query.get('timeoutSeconds') || '0'),
  limit: parseInt64(query.get('limit') || '0'),
});

export interface WatchOptions {
  /** Undefined: from what is there now. */
  readonly revision: number | undefined;
  readonly bookmarks: boolean;
  /** Whether the watch begins with the objects that are there. */
  readonly sendInitialEvents: boolean;
  /** Whether the client has asked for that, instead of a list. */
  readonly isStreamedList: boolean;
  readonly timeoutMs: number | undefined;
}

/** Throws a 422 StatusError for options that contradict each other, and a 400 for values that cannot be read. */
export function parseWatchOptions(query: Query): WatchOptions {
  const { seconds } = readNumbers(query);
  const errors: FieldError[] = [];
  const revisionText = query.get('resourceVersion') ?? '';
  const givenMatch = query.get('resourceVersionMatch') ?? '';
  const isGiven = query.has('sendInitialEvents');
  // Watches that start anywhere have always begun with what is there.
  const isLegacy = !isGiven && !givenMatch && (revisionText === '' || revisionText === '0');
  const initial = isGiven ? isTrue(query.get('sendInitialEvents')) : isLegacy;
  const match = isLegacy ? 'NotOlderThan' : givenMatch;
  if (isGiven && match !== 'NotOlderThan') {
    errors.push(
      forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
    );
  }
  if (match) {
    if (!isGiven && !isLegacy)
      errors.push(forbiddenMatch('is forbidden for watch unless sendInitialEvents is provided'));
    if (match !== 'NotOlderThan') errors.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    if (query.get('continue')) errors.push(forbiddenMatch('is forbidden when continue is provided'));
  }
  if (errors.length > 0) throw invalidObject(LIST_OPTIONS, '', errors);
  return {
    revision: parseRevision(revisionText),
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: initial,
    isStreamedList: isGiven && initial,
    timeoutMs: seconds > 0 ? Math.min(seconds * 1000, MAX_TIMER_MS) : undefined,
  };
}

export function parseRevision(text: string): number | undefined {
  if (text === '') return undefined;
  const error = uint64Error(text);
  if (error !== undefined) {
    throw badRequest(`invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: ${error}`);
  }
  return Number(text);
}

const forbiddenMatch = (why: string): FieldError => forbidden('resourceVersionMatch', `resourceVersionMatch ${why}`);
