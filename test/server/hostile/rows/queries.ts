/** Query parameters: selectors, continue tokens, resource versions, options. */
import { badRequest, forbidden, invalid, status, type HostileRequest } from '../table.ts';

const CONFIG_MAPS = '/api/v1/namespaces/team/configmaps';
const token = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const continued = (value: unknown): string => `GET ${CONFIG_MAPS}?continue=${token(value)}`;
const V1 = 'meta.k8s.io/v1';
const NOT_HANDED_OUT = 'no server handed out a token of the future, which upstream waits for';
/** Whatever the token names, it is looked for inside of what is listed. */
const STAYS_INSIDE = { code: 200, text: /^(?![^]*"(theirs|cluster-info)")/ };
const selector = (labels: string): string => `GET ${CONFIG_MAPS}?labelSelector=${encodeURIComponent(labels)}`;
const fields = (text: string): string => `GET ${CONFIG_MAPS}?fieldSelector=${encodeURIComponent(text)}`;

export const TOKENS = [
  {
    name: 'a token that lists from before the namespace',
    as: 'alice',
    request: continued({ v: V1, rv: -1, start: '!' }),
    expect: STAYS_INSIDE,
  },
  {
    name: 'a token that lists from another namespace',
    as: 'alice',
    request: continued({ v: V1, rv: -1, start: 'other/' }),
    expect: badRequest('invalid continue token: continue key is not valid: other/'),
  },
  {
    name: 'a token of secrets that begins with nothing',
    as: 'alice',
    request: `GET /api/v1/namespaces/team/configmaps?continue=${token({ v: V1, rv: -1, start: '\u0000' })}`,
    expect: STAYS_INSIDE,
  },
  {
    name: 'a token that climbs',
    request: continued({ v: V1, rv: -1, start: '../other/' }),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token that climbs at its end',
    request: continued({ v: V1, rv: -1, start: 'settings/../../other' }),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token of an empty key',
    request: continued({ v: V1, rv: -1, start: '' }),
    expect: badRequest(
      'invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)',
    ),
  },
  {
    name: 'a token of revision 0',
    request: continued({ v: V1, rv: 0, start: 'a\u0000' }),
    expect: badRequest(
      'invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)',
    ),
  },
  {
    name: 'a token of another version',
    request: continued({ v: 'meta.k8s.io/v2', rv: 1, start: 'a\u0000' }),
    expect: badRequest(
      'invalid continue token: continue key is not valid: server does not recognize this encoded version meta.k8s.io/v2',
    ),
  },
  {
    name: 'a token whose version is an object',
    request: continued({ v: {}, rv: 1, start: 'a' }),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token whose revision is a string',
    request: continued({ v: V1, rv: '1', start: 'a' }),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token whose revision is huge',
    request: continued({ v: V1, rv: 1e300, start: 'a' }),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token of a revision that is still to come',
    request: continued({ v: V1, rv: 9_007_199_254_740_991, start: 'a\u0000' }),
    expect: { code: 400 },
    differs: NOT_HANDED_OUT,
  },
  {
    name: 'a token that is null',
    request: continued(null),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token that is a list',
    request: continued([]),
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token that is no JSON',
    request: `GET ${CONFIG_MAPS}?continue=${Buffer.from('not JSON').toString('base64url')}`,
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token that is no base64',
    request: `GET ${CONFIG_MAPS}?continue=%21%21%21`,
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a token of a list together with a resourceVersion',
    request: `${continued({ v: V1, rv: 1, start: 'a' })}&resourceVersion=5`,
    expect: { code: 400 },
  },
  {
    name: 'a token of __proto__',
    request: `GET ${CONFIG_MAPS}?continue=${Buffer.from('{"__proto__":{"v":"meta.k8s.io/v1","rv":-1,"start":"!"}}').toString('base64url')}`,
    expect: badRequest(/^invalid continue token: continue key is not valid/),
  },
  {
    name: 'a limit that is no number',
    request: `GET ${CONFIG_MAPS}?limit=many`,
    expect: badRequest('strconv.ParseInt: parsing "many": invalid syntax'),
  },
  {
    name: 'a limit of half an object',
    request: `GET ${CONFIG_MAPS}?limit=0.5`,
    expect: badRequest('strconv.ParseInt: parsing "0.5": invalid syntax'),
  },
  {
    name: 'a limit in hexadecimal',
    request: `GET ${CONFIG_MAPS}?limit=0x10`,
    expect: badRequest('strconv.ParseInt: parsing "0x10": invalid syntax'),
  },
  {
    name: 'a limit past 64 bits',
    request: `GET ${CONFIG_MAPS}?limit=99999999999999999999`,
    expect: badRequest('strconv.ParseInt: parsing "99999999999999999999": value out of range'),
  },
  { name: 'a negative limit is none', request: `GET ${CONFIG_MAPS}?limit=-1`, expect: { code: 200 } },
  {
    name: 'a resourceVersion that is no number',
    request: `GET ${CONFIG_MAPS}?resourceVersion=x`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a negative resourceVersion',
    request: `GET ${CONFIG_MAPS}?resourceVersion=-1`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a resourceVersion past 64 bits',
    request: `GET ${CONFIG_MAPS}?resourceVersion=99999999999999999999`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a resourceVersion of 10,000 digits',
    request: `GET ${CONFIG_MAPS}?resourceVersion=${'9'.repeat(10_000)}`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a resourceVersion that is still to come',
    request: `GET ${CONFIG_MAPS}?resourceVersion=4000000000`,
    expect: status(504, 'Timeout', /^Timeout: Too large resource version: 4000000000, current: \d+$/),
  },
  {
    name: 'a match without a version',
    request: `GET ${CONFIG_MAPS}?resourceVersionMatch=Exact`,
    expect: invalid(
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ),
  },
  {
    name: 'a match called constructor',
    request: `GET ${CONFIG_MAPS}?resourceVersion=1&resourceVersionMatch=constructor`,
    expect: invalid(
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "constructor": supported values: "Exact", "NotOlderThan", ""',
    ),
  },
  {
    name: 'initial events of a list',
    request: `GET ${CONFIG_MAPS}?sendInitialEvents=true`,
    expect: invalid(
      'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ),
  },
  {
    name: 'a match of a watch without initial events',
    request: `GET ${CONFIG_MAPS}?watch=1&resourceVersionMatch=NotOlderThan`,
    expect: invalid(
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ),
  },
  {
    name: 'a timeout that is no number',
    request: `GET ${CONFIG_MAPS}?watch=1&timeoutSeconds=soon`,
    expect: badRequest('strconv.ParseInt: parsing "soon": invalid syntax'),
  },
  {
    name: 'a timeout of a request that is no duration',
    request: `GET ${CONFIG_MAPS}?timeout=forever`,
    expect: badRequest('invalid timeout specified in the request URL - time: invalid duration "forever"'),
  },
  {
    name: 'a timeout of __proto__',
    request: `GET ${CONFIG_MAPS}?timeout=__proto__`,
    expect: badRequest('invalid timeout specified in the request URL - time: invalid duration "__proto__"'),
  },
] as const satisfies readonly HostileRequest[];

export const SELECTORS = [
  {
    name: 'hundreds of thousands of parameters by nobody in particular, which would take seconds to read',
    as: 'anonymous',
    request: `GET /api?${'a&'.repeat(450_000)}`,
    expect: badRequest('more than 10000 query parameters'),
    differs: 'upstream reads them',
  },
  {
    name: 'a label selector that does not end',
    request: selector('a in (b'),
    expect: badRequest(/^unable to parse requirement: found '', expected: ',' or '\)'$/),
  },
  {
    name: 'a label selector of operators alone',
    request: selector('==='),
    expect: { code: 400, reason: 'BadRequest' },
  },
  { name: 'a label key of a NUL byte', request: selector('a\u0000b'), expect: { code: 400, reason: 'BadRequest' } },
  {
    name: 'a label key that is too long',
    request: selector(`${'a'.repeat(64)}=b`),
    expect: badRequest(/must be no more than 63/),
  },
  { name: 'a label value that is no label', request: selector('a=b!c'), expect: { code: 400, reason: 'BadRequest' } },
  {
    name: 'a label key constructor selects nothing',
    request: selector('constructor'),
    expect: { code: 200, text: /"items":\[\]/ },
  },
  {
    name: 'a label key toString that is absent selects everything',
    request: selector('!toString'),
    expect: { code: 200, text: /"settings"/ },
  },
  {
    name: 'a label key hasOwnProperty with a value',
    request: selector('hasOwnProperty=x'),
    expect: { code: 200, text: /"items":\[\]/ },
  },
  {
    name: 'a number that is none in a label selector',
    request: selector('a > b'),
    expect: badRequest(/for 'Gt', 'Lt' operators, the value must be an integer/),
  },
  {
    name: 'ten thousand requirements',
    request: selector(Array.from({ length: 10_000 }, (_, index) => `k${index}`).join(',')),
    expect: { code: 200 },
  },
  {
    name: 'fifty thousand values',
    request: selector(`a in (${Array.from({ length: 50_000 }, (_, index) => `v${index}`).join(',')})`),
    expect: { code: 200 },
  },
  {
    name: 'a million parentheses',
    request: selector('('.repeat(200_000)),
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a field selector without an operator',
    request: fields('metadata.name'),
    expect: badRequest(`invalid selector: 'metadata.name'; can't understand 'metadata.name'`),
  },
  {
    name: 'a field that may not be selected by',
    request: fields('data.key=value'),
    expect: badRequest(/"data\.key" is not a known field selector/),
  },
  {
    name: 'a field constructor',
    request: fields('constructor=x'),
    expect: badRequest(/"constructor" is not a known field selector/),
  },
  {
    name: 'a field __proto__',
    request: fields('__proto__=x'),
    expect: badRequest(/"__proto__" is not a known field selector/),
  },
  {
    name: 'a field selector with a wild escape',
    request: fields('metadata.name=a\\b'),
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'two names at once select nothing',
    request: fields('metadata.name=settings,metadata.name=more'),
    expect: { code: 200, text: /"items":\[\]/ },
  },
  {
    name: 'a name in a field selector is what is authorized, and what is shown',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team/secrets?fieldSelector=metadata.name%3Down',
    expect: { code: 200, text: /"own"(?![^]*"hidden")/ },
  },
  {
    name: 'two names, of which one may be listed',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team/secrets?fieldSelector=metadata.name%3Down%2Cmetadata.name%3Dhidden',
    expect: { code: 200, text: /"items":\[\]/ },
  },
  {
    name: 'a name that is only excluded is no name',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team/secrets?fieldSelector=metadata.name%21%3Down',
    expect: forbidden(
      'secrets is forbidden: User "alice" cannot list resource "secrets" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'a second field selector hides behind the first',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team/secrets?fieldSelector=metadata.name%3Down&fieldSelector=',
    expect: { code: 200, text: /"own"(?![^]*"hidden")/ },
  },
  {
    name: 'an escaped comma is part of the name that is authorized',
    as: 'alice',
    request: `GET /api/v1/namespaces/team/secrets?fieldSelector=${encodeURIComponent('metadata.name=own\\,metadata.name=hidden')}`,
    expect: { code: 403, reason: 'Forbidden' },
  },
] as const satisfies readonly HostileRequest[];
