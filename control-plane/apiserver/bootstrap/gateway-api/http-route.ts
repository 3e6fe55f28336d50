import {
  atomicList,
  headerName,
  integer,
  listBy,
  object,
  oneOf,
  portNumber,
  preciseHostname,
  rule,
  sectionName,
  setOf,
  text,
  withDefault,
  withRules,
  type Fields,
  type Schema,
} from './schema.ts';
import { backendRefs, COMMON_FILTERS, filters, headerMatches, routeSchema, rules } from './route-schema.ts';

const pathModifier = withRules(
  object(
    {
      type: oneOf('ReplaceFullPath', 'ReplacePrefixMatch'),
      replaceFullPath: text(1_024),
      replacePrefixMatch: text(1_024),
    },
    ['type'],
  ),
  ...['ReplaceFullPath', 'ReplacePrefixMatch'].flatMap((type) => {
    const field = `r${type.slice(1)}`;
    return [
      rule(`self.type == '${type}' ? has(self.${field}) : true`, `type ${type} needs ${field}`),
      rule(`has(self.${field}) ? self.type == '${type}' : true`, `${field} is for type ${type} only`),
    ];
  }),
);

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const ORIGIN = '(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)';
const anyAlone = (schema: Schema, field: string): Schema =>
  withRules(schema, rule("!('*' in self && self.size() > 1)", `* in ${field} stands alone`));
/** https://fetch.spec.whatwg.org/#http-cors-protocol */
const cors = object({
  allowOrigins: anyAlone(setOf(text(253, 1, ORIGIN), 64), 'allowOrigins'),
  allowCredentials: { type: 'boolean' },
  allowMethods: anyAlone(setOf(oneOf(...METHODS, '*'), 9), 'allowMethods'),
  allowHeaders: anyAlone(setOf(headerName, 64), 'allowHeaders'),
  exposeHeaders: setOf(headerName, 64),
  maxAge: withDefault(integer(1), 5),
});

const HTTP_FILTERS: Fields = {
  ...COMMON_FILTERS,
  RequestRedirect: object({
    scheme: oneOf('http', 'https'),
    hostname: preciseHostname,
    path: pathModifier,
    port: portNumber,
    statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 },
  }),
  CORS: cors,
  URLRewrite: object({ hostname: preciseHostname, path: pathModifier }),
};
const httpFilters = filters(HTTP_FILTERS, [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
]);

const PLAIN_TYPES = "(self.type in ['Exact','PathPrefix'])";
const NOT_IN_PATHS = ['//', '/./', '/../', '%2f', '%2F', '#'];
const NOT_AT_THE_END = ['/..', '/.'];
const PATH_CHARACTERS = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$";
const DEFAULT_PATH = { type: 'PathPrefix', value: '/' };
const pathMatch = withRules(
  object({
    type: withDefault(oneOf('Exact', 'PathPrefix', 'RegularExpression'), 'PathPrefix'),
    value: withDefault(text(1_024), '/'),
  }),
  rule(`${PLAIN_TYPES} ? self.value.startsWith('/') : true`, 'a path begins with /'),
  ...NOT_IN_PATHS.map((part) =>
    rule(`${PLAIN_TYPES} ? !self.value.contains('${part}') : true`, `a path may not have ${part}`),
  ),
  ...NOT_AT_THE_END.map((part) =>
    rule(`${PLAIN_TYPES} ? !self.value.endsWith('${part}') : true`, `a path may not end with ${part}`),
  ),
  rule(`${PLAIN_TYPES} || self.type == 'RegularExpression'`, 'type is Exact, PathPrefix or RegularExpression'),
  rule(
    `${PLAIN_TYPES} ? self.value.matches(r"""${PATH_CHARACTERS}""") : true`,
    `a path has to match ${PATH_CHARACTERS}`,
  ),
);

const match = object({
  path: withDefault(pathMatch, DEFAULT_PATH),
  headers: headerMatches,
  queryParams: listBy(
    'name',
    object(
      { type: withDefault(oneOf('Exact', 'RegularExpression'), 'Exact'), name: headerName, value: text(1_024, 1) },
      ['name', 'value'],
    ),
    16,
  ),
  method: oneOf(...METHODS),
});
const DEFAULT_MATCHES = [{ path: DEFAULT_PATH }];

/** Prefixes are replaced where it is clear which one has matched. */
const HAS_ONE_PREFIX =
  "((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true)";
const replacesPrefix = (field: string): string =>
  `exists_one(f, has(f.${field}) && has(f.${field}.path) && f.${field}.path.type == 'ReplacePrefixMatch' && has(f.${field}.path.replacePrefixMatch))`;
const REPLACING = ['requestRedirect', 'urlRewrite'];

const duration = { type: 'string', pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' };
const timeouts = withRules(
  object({ request: duration, backendRequest: duration }),
  rule(
    "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
    'backendRequest may not be longer than request',
  ),
);

const httpRule = withRules(
  object({
    name: sectionName,
    matches: withDefault(atomicList(match, 64), DEFAULT_MATCHES),
    filters: httpFilters,
    backendRefs: backendRefs(httpFilters),
    timeouts,
  }),
  rule(
    '(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))): true',
    'a rule that redirects has no backendRefs',
  ),
  ...REPLACING.map((field) =>
    rule(
      `(has(self.filters) && self.filters.${replacesPrefix(field)}) ? ${HAS_ONE_PREFIX} : true`,
      `${field} with replacePrefixMatch needs exactly one match, of type PathPrefix`,
    ),
  ),
  ...REPLACING.map((field) =>
    rule(
      `(has(self.backendRefs) && self.backendRefs.exists_one(b, (has(b.filters) && b.filters.${replacesPrefix(field)}) )) ? ${HAS_ONE_PREFIX} : true`,
      `${field} with replacePrefixMatch in backendRefs needs exactly one match, of type PathPrefix`,
    ),
  ),
);

export const httpRouteSchema = routeSchema(
  withDefault(
    rules(httpRule, (each) => `${each}.matches.size()`, 1),
    [{ matches: DEFAULT_MATCHES }],
  ),
);
