import t from 'tap';
import { StatusError } from '../../../api/machinery/status-error.ts';
import { parseListOptions, parseWatchOptions } from '../../../control-plane/apiserver/verbs/list-options.ts';
import { writeToken } from '../../../control-plane/apiserver/storage/continue-token.ts';

/** What is parsed, or the code and the errors in their order. */
function outcome(parse: () => object): object | string {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const { code, message, details } = error.status;
    return `${code} ${details?.causes?.map((cause) => cause.message).join('; ') ?? message}`;
  }
}

const TOKEN = writeToken({ revision: 5, after: 'ns/a' }, 'ns/');
const UNLESS = 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided';
const CONTINUED = 'Forbidden: resourceVersionMatch is forbidden when continue is provided';
const ZERO = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
const UNKNOWN = 'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""';
const NOT_FOR_WATCH = 'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
const REQUIRED = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
const only = (value: string) => `Unsupported value: "${value}": supported values: "NotOlderThan"`;

t.test('lists', (t) => {
  const any = { limit: 0, continueFrom: undefined, revision: undefined, isExact: false };
  const continued = { ...any, continueFrom: { revision: 5, after: 'ns/a' } };
  for (const [query, expected] of [
    ['', any],
    ['limit=2', { ...any, limit: 2 }],
    ['limit=-1', any],
    ['resourceVersion=0', { ...any, revision: 0 }],
    ['resourceVersion=0&limit=2', { ...any, revision: 0, limit: 2 }],
    ['resourceVersion=7', { ...any, revision: 7 }],
    ['resourceVersion=7&limit=2', { ...any, revision: 7, limit: 2, isExact: true }],
    ['resourceVersion=7&resourceVersionMatch=Exact', { ...any, revision: 7, isExact: true }],
    ['resourceVersion=7&resourceVersionMatch=Exact&limit=2', { ...any, revision: 7, limit: 2, isExact: true }],
    ['resourceVersion=0&resourceVersionMatch=NotOlderThan', { ...any, revision: 0 }],
    ['resourceVersion=7&resourceVersionMatch=NotOlderThan', { ...any, revision: 7 }],
    ['resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=2', { ...any, revision: 7, limit: 2 }],
    [`continue=${TOKEN}`, continued],
    [`continue=${TOKEN}&limit=2`, { ...continued, limit: 2 }],
    [`continue=${TOKEN}&resourceVersion=0`, { ...continued, revision: 0 }],
    [`continue=${TOKEN}&resourceVersion=7`, '400 specifying resource version is not allowed when using continue'],
    [`continue=${TOKEN}&resourceVersion=7&resourceVersionMatch=Exact`, `422 ${CONTINUED}`],
    [`continue=${TOKEN}&resourceVersionMatch=Exact`, `422 ${UNLESS}; ${CONTINUED}`],
    [`continue=${TOKEN}&resourceVersionMatch=Newest`, `422 ${UNLESS}; ${CONTINUED}; ${UNKNOWN}`],
    ['resourceVersionMatch=NotOlderThan', `422 ${UNLESS}`],
    ['resourceVersion=0&resourceVersionMatch=Exact', `422 ${ZERO}`],
    ['resourceVersion=7&resourceVersionMatch=Newest', `422 ${UNKNOWN}`],
    ['sendInitialEvents=true', '422 Forbidden: sendInitialEvents is forbidden for list'],
    ['sendInitialEvents=false', '422 Forbidden: sendInitialEvents is forbidden for list'],
    ['limit=x', /^400 strconv.ParseInt: parsing "x": invalid syntax/],
    ['resourceVersion=x', /^400 invalid resource version: resourceVersion: Invalid value: "x": .*invalid syntax/],
    ['resourceVersion=-1', /^400 invalid resource version: resourceVersion: Invalid value: "-1"/],
  ] as const) {
    const found = outcome(() => parseListOptions(new URLSearchParams(query), 'ns/', 9));
    if (expected instanceof RegExp) t.match(found, expected, query);
    else t.same(found, expected, query);
  }
  t.end();
});

t.test('watches', (t) => {
  const any = {
    revision: undefined,
    bookmarks: false,
    sendInitialEvents: true,
    isStreamedList: false,
    timeoutMs: undefined,
  };
  const since = { ...any, revision: 7, sendInitialEvents: false };
  const asked = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
  for (const [query, expected] of [
    ['', any],
    ['timeoutSeconds=3', { ...any, timeoutMs: 3000 }],
    ['allowWatchBookmarks=true', { ...any, bookmarks: true }],
    ['resourceVersion=0', { ...any, revision: 0 }],
    ['resourceVersion=7', since],
    [asked, { ...any, isStreamedList: true }],
    [`${asked}&resourceVersion=0`, { ...any, revision: 0, isStreamedList: true }],
    [`${asked}&resourceVersion=7`, { ...any, revision: 7, isStreamedList: true }],
    ['sendInitialEvents=false&resourceVersionMatch=NotOlderThan', { ...any, sendInitialEvents: false }],
    ['sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=7', since],
    ['sendInitialEvents=true', `422 ${REQUIRED}`],
    ['sendInitialEvents=false', `422 ${REQUIRED}`],
    ['sendInitialEvents=true&resourceVersionMatch=Exact', `422 ${REQUIRED}; ${only('Exact')}`],
    ['resourceVersionMatch=NotOlderThan', `422 ${NOT_FOR_WATCH}`],
    ['resourceVersionMatch=Exact&resourceVersion=7', `422 ${NOT_FOR_WATCH}; ${only('Exact')}`],
    ['resourceVersionMatch=Newest', `422 ${NOT_FOR_WATCH}; ${only('Newest')}`],
    [`${asked}&continue=x`, `422 ${CONTINUED}`],
    ['continue=x', `422 ${CONTINUED}`],
    ['continue=x&resourceVersion=7', since],
  ] as const) {
    t.same(
      outcome(() => parseWatchOptions(new URLSearchParams(query))),
      expected,
      query,
    );
  }
  t.end();
});
