import { parentRef } from './route-schema.ts';
import {
  atomicList,
  conditions,
  controllerName,
  group,
  hostname,
  kind,
  localReference,
  object,
  objectName,
  oneOf,
  preciseHostname,
  rule,
  sectionName,
  text,
  textMap,
  withRules,
} from './schema.ts';

const SAME_TARGET = 'p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name';
const without = (target: string): string => `(!has(${target}.sectionName) || ${target}.sectionName == '')`;
const targetRefs = withRules(
  atomicList(object({ group, kind, name: objectName, sectionName }, ['group', 'kind', 'name']), 16, 1),
  rule(
    `self.all(p1, self.all(p2, ${SAME_TARGET} ? (${without('p1')} == ${without('p2')}) : true))`,
    'of several references to one target, each needs a sectionName',
  ),
  rule(
    `self.all(p1, self.exists_one(p2, ${SAME_TARGET} && ((${without('p1')} && ${without('p2')}) || (has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName))))`,
    'of several references to one target, each needs a sectionName of its own',
  ),
);

const alternativeName = withRules(
  object(
    {
      type: oneOf('Hostname', 'URI'),
      hostname,
      uri: text(253, 1, '^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\\?([^#]*))?(#(.*))?'),
    },
    ['type'],
  ),
  ...[
    ['Hostname', 'hostname'],
    ['URI', 'uri'],
  ].flatMap(([type, field]) => [
    rule(
      `!(self.type == "${type}" && (!has(self.${field}) || self.${field} == ""))`,
      `a name of type ${type} needs ${field}`,
    ),
    rule(
      `!(self.type != "${type}" && has(self.${field}) && self.${field} != "")`,
      `${field} is for names of type ${type} only`,
    ),
  ]),
);

const HAS_REFS = 'has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0';
const HAS_WELL_KNOWN = 'has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ""';
const validation = withRules(
  object(
    {
      caCertificateRefs: atomicList(localReference, 8),
      wellKnownCACertificates: text(
        253,
        1,
        '^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$',
      ),
      hostname: preciseHostname,
      subjectAltNames: atomicList(alternativeName, 5),
    },
    ['hostname'],
  ),
  rule(`!(${HAS_REFS} && ${HAS_WELL_KNOWN})`, 'caCertificateRefs and wellKnownCACertificates exclude each other'),
  rule(`(${HAS_REFS} || ${HAS_WELL_KNOWN})`, 'caCertificateRefs or wellKnownCACertificates is needed'),
);

export const backendTlsPolicySchema = object(
  {
    spec: object({ targetRefs, validation, options: textMap(16, text(4_096, 0)) }, ['targetRefs', 'validation']),
    status: object(
      {
        ancestors: atomicList(
          object({ ancestorRef: parentRef, controllerName, conditions: { ...conditions, minItems: 1 } }, [
            'ancestorRef',
            'conditions',
            'controllerName',
          ]),
          16,
        ),
      },
      ['ancestors'],
    ),
  },
  ['spec'],
);
