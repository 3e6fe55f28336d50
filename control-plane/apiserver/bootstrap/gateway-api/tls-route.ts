import { plainBackendRefs, routeSchema } from './route-schema.ts';
import { atomicList, hostname, object, rule, sectionName, withRules } from './schema.ts';

const NAME = "matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$')";
const hostnames = withRules(
  atomicList(hostname, 1_024, 1),
  rule('self.all(h, !isIP(h))', 'a hostname is no IP address'),
  rule(`self.all(h, !h.contains('*') ? h.${NAME} : true)`, 'a hostname is a DNS name of lower case letters'),
  rule(
    `self.all(h, h.contains('*') ? (h.startsWith('*.') && h.substring(2).${NAME}) : true)`,
    'a wildcard is the first label of a hostname',
  ),
);

export const tlsRouteSchema = routeSchema(
  atomicList(object({ name: sectionName, backendRefs: plainBackendRefs }, ['backendRefs']), 1, 1),
  { hostnames, required: ['hostnames', 'rules'] },
);
