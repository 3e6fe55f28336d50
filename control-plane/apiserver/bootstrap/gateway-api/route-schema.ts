/** What HTTPRoutes and GRPCRoutes have in common. */
import { GATEWAY_GROUP } from '../../../../api/domain/gateway-api.ts';
import {
  atomicList,
  conditions,
  controllerName,
  group,
  headerName,
  hostname,
  integer,
  kind,
  listBy,
  localReference,
  namespace,
  object,
  objectName,
  oneOf,
  portNumber,
  rule,
  sectionName,
  text,
  withDefault,
  withRules,
  type Fields,
  type Schema,
} from './schema.ts';

export const parentRef = object(
  {
    group: withDefault(group, GATEWAY_GROUP),
    kind: withDefault(kind, 'Gateway'),
    namespace,
    name: objectName,
    sectionName,
    port: portNumber,
  },
  ['name'],
);
const without = (parent: string, field: string): string => `(!has(${parent}.${field}) || ${parent}.${field} == '')`;
const alike = (field: string): string =>
  `((${without('p1', field)} && ${without('p2', field)}) || (has(p1.${field}) && has(p2.${field}) && p1.${field} == p2.${field}))`;
const SAME_PARENT = `p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && ${alike('__namespace__')}`;

const parentRefs = withRules(
  atomicList(parentRef, 32),
  rule(
    `self.all(p1, self.all(p2, ${SAME_PARENT} ? (${without('p1', 'sectionName')} == ${without('p2', 'sectionName')}) : true))`,
    'of several references to one parent, each needs a sectionName',
  ),
  rule(
    `self.all(p1, self.exists_one(p2, ${SAME_PARENT} && ${alike('sectionName')}))`,
    'of several references to one parent, each needs a sectionName of its own',
  ),
);

const backendReference: Fields = {
  group: withDefault(group, ''),
  kind: withDefault(kind, 'Service'),
  name: objectName,
  namespace,
  port: portNumber,
};
const NEEDS_PORT = rule(
  "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
  'a reference to a Service needs a port',
);

const header = object({ name: headerName, value: text(4_096, 1) }, ['name', 'value']);
const headerModifier = object({
  set: listBy('name', header, 16),
  add: listBy('name', header, 16),
  remove: { type: 'array', items: { type: 'string' }, maxItems: 16, 'x-kubernetes-list-type': 'set' },
});
const requestMirror = withRules(
  object(
    {
      backendRef: withRules(object(backendReference, ['name']), NEEDS_PORT),
      percent: integer(0, 100),
      fraction: withRules(
        object({ numerator: integer(0), denominator: withDefault(integer(1), 100) }, ['numerator']),
        rule('self.numerator <= self.denominator', 'numerator may not be greater than denominator'),
      ),
    },
    ['backendRef'],
  ),
  rule('!(has(self.percent) && has(self.fraction))', 'percent and fraction exclude each other'),
);

/** The filters of both kinds of routes, by their types. */
export const COMMON_FILTERS: Fields = {
  RequestHeaderModifier: headerModifier,
  ResponseHeaderModifier: headerModifier,
  RequestMirror: requestMirror,
  ExtensionRef: localReference,
};
/** Others are named as their type, with a small letter first. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ['URLRewrite', 'urlRewrite'],
  ['CORS', 'cors'],
]);
const fieldOf = (type: string): string => FIELDS.get(type) ?? `${type.charAt(0).toLowerCase()}${type.slice(1)}`;

/** @param single the types of which a list may have one */
export function filters(types: Fields, single: readonly string[]): Schema {
  const rules = Object.keys(types).flatMap((type) => {
    const field = fieldOf(type);
    return [
      rule(`!(has(self.${field}) && self.type != '${type}')`, `${field} is for filters of type ${type} only`),
      rule(`!(!has(self.${field}) && self.type == '${type}')`, `a filter of type ${type} needs ${field}`),
    ];
  });
  const properties = Object.fromEntries(Object.entries(types).map(([type, schema]) => [fieldOf(type), schema]));
  const filter = object({ type: oneOf(...Object.keys(types)), ...properties }, ['type']);
  return withRules(
    atomicList(withRules(filter, ...rules), 16),
    ...('URLRewrite' in types
      ? [
          rule(
            "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
            'RequestRedirect and URLRewrite exclude each other',
          ),
        ]
      : []),
    ...single.map((type) => rule(`self.filter(f, f.type == '${type}').size() <= 1`, `${type} may be there once`)),
  );
}

/** Without filters. */
export const plainBackendRefs = atomicList(
  withRules(object({ ...backendReference, weight: withDefault(integer(0, 1_000_000), 1) }, ['name']), NEEDS_PORT),
  16,
  1,
);

export const backendRefs = (ownFilters: Schema): Schema =>
  atomicList(
    withRules(
      object({ ...backendReference, weight: withDefault(integer(0, 1_000_000), 1), filters: ownFilters }, ['name']),
      NEEDS_PORT,
    ),
    16,
  );

export const headerMatches = listBy(
  'name',
  object({ type: withDefault(oneOf('Exact', 'RegularExpression'), 'Exact'), name: headerName, value: text(4_096, 1) }, [
    'name',
    'value',
  ]),
  16,
);

const MAX_RULES = 16;
const MAX_MATCHES = 128;
/** @param matchesOf the number of matches of the rule with an index */
export const rules = (item: Schema, matchesOf: (rule: string) => string, minRules?: number): Schema =>
  withRules(
    atomicList(item, MAX_RULES, minRules),
    rule(
      `${Array.from({ length: MAX_RULES }, (_, at) => `(self.size() > ${at} ? ${matchesOf(`self[${at}]`)} : 0)`).join(' + ')} <= ${MAX_MATCHES}`,
      `all rules together may have ${MAX_MATCHES} matches`,
    ),
  );

export const routeSchema = (
  routeRules: Schema,
  {
    hostnames = atomicList(hostname, 16),
    required = [],
  }: { readonly hostnames?: Schema; readonly required?: readonly string[] } = {},
): Schema =>
  object(
    {
      spec: object({ parentRefs, hostnames, rules: routeRules }, required),
      status: object(
        {
          parents: atomicList(
            object({ parentRef, controllerName, conditions: { ...conditions, minItems: 1 } }, [
              'conditions',
              'controllerName',
              'parentRef',
            ]),
            32,
          ),
        },
        ['parents'],
      ),
    },
    ['spec'],
  );
