/** Rules over a structural schema: for which objects they hold, what they cost, and what they are estimated to cost at most. */
import t from 'tap';
import { compileRules } from '../../../api/machinery/cel/compiled-rules.ts';
import { fromJson } from '../../../api/machinery/cel/from-json.ts';
import { compileSchemaRules } from '../../../api/machinery/cel/schema-rules.ts';
import { schemaType } from '../../../api/machinery/cel/schema-type.ts';
import { structuralOf } from '../../../api/machinery/structural/structural.ts';
import type { JSONSchemaProps } from '../../../api/types/apiextensions/v1.gen.ts';

const name: JSONSchemaProps = { type: 'string', maxLength: 63 };
/** A cache server, as an operator would describe one. */
const SCHEMA: JSONSchemaProps = {
  type: 'object',
  properties: {
    replicas: { type: 'integer' },
    ratio: { type: 'number' },
    title: { type: 'string' },
    mode: { ...name, enum: ['primary', 'replica'] },
    'in-use': { type: 'boolean' },
    namespace: name,
    timeout: { type: 'string', format: 'duration' },
    since: { type: 'string', format: 'date-time' },
    secret: { type: 'string', format: 'byte' },
    port: { 'x-kubernetes-int-or-string': true },
    labels: { type: 'object', maxProperties: 8, additionalProperties: name },
    zones: { type: 'array', maxItems: 5, 'x-kubernetes-list-type': 'set', items: name },
    shards: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['id'],
      items: { type: 'object', required: ['id'], properties: { id: name, size: { type: 'integer' } } },
    },
    extra: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { known: name } },
  },
};
const OBJECT = {
  replicas: 3,
  ratio: 0.5,
  title: 'Cachè ☕',
  mode: 'primary',
  'in-use': true,
  namespace: 'web',
  timeout: '1h30m',
  since: '2026-02-03T04:05:06Z',
  secret: Buffer.from('abc').toString('base64'),
  port: '80%',
  labels: { tier: 'front', 'example.com/team': 'blue' },
  zones: ['a', 'b'],
  shards: [
    { id: 'one', size: 10 },
    { id: 'two', size: 20 },
  ],
  extra: { known: 'k', unknown: 1 },
};

const withRule = (rule: string) => structuralOf({ ...SCHEMA, 'x-kubernetes-validations': [{ rule }] });

const messagesOf = (rule: string, object: object = OBJECT, old?: object): string[] =>
  (compileSchemaRules(withRule(rule))?.(object, old).errors ?? []).map(({ message }) => message);

t.test('rules hold', (t) => {
  for (const rule of [
    'self.replicas * 2 == 6 && double(self.replicas) > self.ratio',
    'self.title.size() == 7 && self.title.startsWith("Cach")',
    'self.title.charAt(6) == "☕" && self.title.indexOf("è") == 4',
    'self.in__dash__use && self.__namespace__ == "web"',
    'self.timeout == duration("90m") && self.timeout.getHours() == 1',
    'self.since.getFullYear() == 2026 && self.since < timestamp("2027-01-01T00:00:00Z")',
    'self.secret == b"abc"',
    'type(self.port) == string && self.port.endsWith("%")',
    'self.labels.all(key, self.labels[key].size() > 0)',
    '"example.com/team" in self.labels && self.labels["example.com/team"] == "blue"',
    'self.zones == ["b", "a"]',
    'self.zones + ["c"] == ["c", "b", "a"]',
    'self.shards.exists_one(shard, shard.size > 10)',
    'self.shards.map(shard, shard.size).sum() == 30 && self.shards.map(shard, shard.size).max() == 20',
    'self.shards == [self.shards[1], self.shards[0]]',
    'self.extra.known == "k"',
    'has(self.mode) ? self.mode in ["primary", "replica"] : true',
    'self.?mode.orValue("none") == "primary"',
    'self.zones.isSorted() && !self.zones.exists(zone, zone.matches("^[0-9]$"))',
    'quantity("1Gi").compareTo(quantity("1024Mi")) == 0',
    'ip("10.0.0.1").family() == 4 && cidr("10.0.0.0/8").containsIP("10.0.0.1")',
    'url("https://example.com/a?b=c").getHost() == "example.com"',
  ])
    t.strictSame(messagesOf(rule), [], rule);
  t.end();
});

t.test('rules that do not hold, or fail, say so', (t) => {
  for (const [rule, message] of [
    ['self.replicas > 3', 'failed rule: self.replicas > 3'],
    ['self.shards[7].size > 0', 'index out of bounds: 7'],
    ['self.labels["none"] == ""', 'no such key: none'],
    ['self.replicas / (self.replicas - 3) > 0', 'division by zero'],
    ['9223372036854775807 + self.replicas > 0', 'integer overflow'],
    ['timestamp(self.title) > self.since', 'rule'],
    ['self.replicas > "a"', 'found no matching overload'],
    ['self.nothing == 1', 'undefined field'],
    ['self.extra.unknown == 1', 'undefined field'],
    ['self.replicas', 'must evaluate to a bool'],
    ['self.replicas >', 'Syntax error'],
  ] as const) {
    const found = messagesOf(rule);
    t.ok(
      found.some((text) => text.includes(message)),
      `${rule}: ${found.join()} has ${message}`,
    );
  }
  t.end();
});

t.test('transition rules compare with the object as it was, and hold for new ones', (t) => {
  const rule = 'self.replicas >= oldSelf.replicas';
  t.strictSame(messagesOf(rule), []);
  t.strictSame(messagesOf(rule, OBJECT, { ...OBJECT, replicas: 2 }), []);
  t.equal(messagesOf(rule, OBJECT, { ...OBJECT, replicas: 4 }).length, 1);
  t.end();
});

t.test('rules have the costs of upstream', (t) => {
  for (const [rule, cost, atMost] of [
    ['self.replicas > 0', 3, 3],
    ['self.title == "a"', 3, 3],
    ['self.title.contains("☕")', 3, 314_575],
    ['self.title.matches("^[a-z]+$")', 4, 629_148],
    ['self.zones.all(zone, zone.size() < 10)', 15, 33],
    ['self.shards.all(a, self.shards.all(b, a.id == b.id || a.size != b.size))', 57, 3_763],
    ['self.labels.exists(key, key == "tier")', 12, 43],
    ['self.shards.map(shard, shard.size).sum() > 0', 34, 164],
    ['self.timeout < duration("2h")', 3, 4],
    ['self.replicas > 1 ? true : self.ratio > 0.1', 3, 6],
  ] as const) {
    const structural = withRule(rule);
    const type = schemaType(structural, false);
    const [compiled] = type ? compileRules(structural, type) : [];
    const self = fromJson(OBJECT, type);
    t.strictSame([compiled?.program?.evaluate({ self, oldSelf: self }).cost, compiled?.maxCost], [cost, atMost], rule);
  }
  t.end();
});

t.test(
  'items of what a function makes are estimated as upstream does: as large as the value of the schema',
  async (t) => {
    for (const rule of [
      "self.split(':').size() == 2 && self.split(':')[1].matches('^[a-z0-9-./:]+$')",
      "self.split('/')[0].split('.')[0].split(':')[0] == 'localhost'",
    ]) {
      const schema = structuralOf({ type: 'string', maxLength: 447, 'x-kubernetes-validations': [{ rule }] });
      const type = schemaType(schema, false);
      t.ok(type);
      const [compiled] = type ? compileRules(schema, type) : [];
      t.ok(compiled && compiled.maxCost > 0 && compiled.maxCost < 10_000_000, `${rule}: ${compiled?.maxCost}`);
    }
  },
);
