import { atomicList, object, oneOf, rule, sectionName, text, withDefault, withRules } from './schema.ts';
import { backendRefs, COMMON_FILTERS, filters, headerMatches, routeSchema, rules } from './route-schema.ts';

const grpcFilters = filters(COMMON_FILTERS, ['RequestHeaderModifier', 'ResponseHeaderModifier']);

const SERVICE = '^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$';
const METHOD = '^[A-Za-z_][A-Za-z_0-9]*$';
const exact = (field: string, pattern: string) =>
  rule(
    `(!has(self.type) || self.type == 'Exact') && has(self.${field}) ? self.${field}.matches(r"""${pattern}"""): true`,
    `${field} has to match ${pattern}`,
  );
const methodMatch = withRules(
  object({
    type: withDefault(oneOf('Exact', 'RegularExpression'), 'Exact'),
    service: text(1_024),
    method: text(1_024),
  }),
  rule('has(self.type) ? has(self.service) || has(self.method) : true', 'a service or a method is needed'),
  exact('service', SERVICE),
  exact('method', METHOD),
);

const grpcRule = object({
  name: sectionName,
  matches: atomicList(object({ method: methodMatch, headers: headerMatches }), 64),
  filters: grpcFilters,
  backendRefs: backendRefs(grpcFilters),
});

export const grpcRouteSchema = routeSchema(
  rules(grpcRule, (each) => `(has(${each}.matches) ? ${each}.matches.size() : 0)`),
);
