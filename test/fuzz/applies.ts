/** Random applies and updates against a plain model: values and owners by the paths of leaves. */
import { apply, ApplyConflict } from '../../api/machinery/fieldset/apply.ts';
import { EMPTY, type FieldSet } from '../../api/machinery/fieldset/field-set.ts';
import { keyedList, type FieldType } from '../../api/machinery/fieldset/field-type.ts';
import { managerId, ownersText, parseOwners, type Manager, type Owners } from '../../api/machinery/fieldset/owners.ts';
import { updatedOwners, type Ownable } from '../../api/machinery/fieldset/track.ts';
import { check, same, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

const STEPS = 12;
const TIME = '2026-01-01T00:00:00Z';
const NAMES = ['a', 'b', 'c'];

const TEXT: FieldType = { scalar: 'string' };
const struct = (fields: Readonly<Record<string, FieldType>>): FieldType => {
  const known = new Map(Object.entries(fields));
  return { map: { atomic: false, field: (name) => known.get(name) } };
};
const ITEM = struct({ name: TEXT, x: TEXT, y: TEXT });
const TYPE = struct({
  data: { map: { atomic: false, field: () => undefined, values: TEXT } },
  items: { list: keyedList(ITEM, ['name']) },
});
const OWNABLE: Ownable = { type: TYPE, empty: {}, resets: EMPTY, inVersion: () => undefined };

/** The leaves of an object: `data/KEY`, and of an item `items/NAME` (itself), `items/NAME/FIELD`. */
type Leaves = Map<string, string>;

interface Thing {
  data?: Record<string, string>;
  items?: Record<string, string>[];
}

function leavesOf({ data, items }: Thing): Leaves {
  const leaves: Leaves = new Map();
  for (const [key, value] of Object.entries(data ?? {})) leaves.set(`data/${key}`, value);
  for (const item of items ?? []) {
    leaves.set(`items/${item.name}`, '');
    for (const [key, value] of Object.entries(item)) leaves.set(`items/${item.name}/${key}`, value);
  }
  return leaves;
}

function thingOf(random: Random): Thing {
  const thing: Thing = {};
  const value = (): string => String(random.below(2));
  for (const name of NAMES) {
    if (random.chance(2)) thing.data = { ...thing.data, [name]: value() };
    if (!random.chance(3)) continue;
    const item = { name, ...(!random.chance(2) && { x: value() }), ...(!random.chance(2) && { y: value() }) };
    (thing.items ??= []).push(item);
  }
  return thing;
}

/** Owned paths in the model's form; structs and maps themselves are not in it. */
function ownedLeaves(fields: FieldSet, path: string[] = []): string[] {
  return [...fields.children].flatMap(([element, child]) => {
    const name = element.startsWith('k:') ? (JSON.parse(element.slice(2)) as { name: string }).name : element.slice(2);
    const at = [...path, name];
    return [...(child.member && at.length > 1 ? [at.join('/')] : []), ...ownedLeaves(child, at)];
  });
}

class Model {
  live: Leaves = new Map();
  readonly owners = new Map<string, Set<string>>();

  owned(path: string): boolean {
    return [...this.owners.values()].some((paths) => paths.has(path));
  }

  /** Returns the paths in conflict, in which case nothing is applied unless forced. */
  apply(id: string, config: Leaves, force: boolean): string[] {
    const others = [...this.owners].filter(([other]) => other !== id);
    const isChanged = (path: string) => this.live.has(path) && this.live.get(path) !== config.get(path);
    const conflicts = [...config.keys()].filter(
      (path) => isChanged(path) && others.some(([, paths]) => paths.has(path)),
    );
    if (conflicts.length > 0 && !force) return conflicts;
    const last = this.owners.get(id) ?? new Set<string>();
    for (const path of conflicts) for (const [, paths] of others) paths.delete(path);
    for (const [path, value] of config) this.live.set(path, value);
    this.owners.set(id, new Set(config.keys()));
    for (const path of last) if (!this.owned(path)) this.remove(path);
    return conflicts;
  }

  update(id: string, wanted: Leaves): void {
    const changed = [...wanted].filter(([path, value]) => this.live.get(path) !== value).map(([path]) => path);
    for (const path of [...this.live.keys()]) if (!wanted.has(path)) this.remove(path);
    this.live = new Map(wanted);
    for (const paths of this.owners.values()) for (const path of changed) paths.delete(path);
    const own = this.owners.get(id) ?? new Set<string>();
    for (const path of changed) own.add(path);
    this.owners.set(id, own);
  }

  /** An item goes with all that is in it, whoever owns that. */
  private remove(path: string): void {
    const isGone = (other: string) => other === path || other.startsWith(`${path}/`);
    for (const other of [...this.live.keys()]) if (isGone(other)) this.live.delete(other);
    for (const paths of this.owners.values()) for (const other of [...paths]) if (isGone(other)) paths.delete(other);
  }
}

/** Writes as one manager, to the model and for real. */
class Writes {
  readonly #model = new Model();
  #live: Thing = {};
  #owners: Owners = new Map();

  step(random: Random, isFirst: boolean): void {
    const thing = thingOf(random);
    const by: Manager = {
      manager: `m${random.below(3)}`,
      // The first write makes the object, so that it is known who has owned it before the first apply.
      operation: !isFirst && !random.chance(3) ? 'Apply' : 'Update',
      apiVersion: 'v1',
      subresource: '',
    };
    if (by.operation === 'Update') {
      this.#owners = updatedOwners(OWNABLE, this.#live, thing, this.#owners, by, TIME);
      this.#live = thing;
      this.#model.update(managerId(by), leavesOf(thing));
    } else if (this.#owners.size > 0) this.#apply(thing, by, random.chance(2));
    this.#compare();
  }

  #apply(thing: Thing, by: Manager, force: boolean): void {
    const before = JSON.stringify(this.#live);
    const conflicts = this.#model.apply(managerId(by), leavesOf(thing), force);
    try {
      const applied = apply(OWNABLE, this.#live, thing, this.#owners, by, TIME, force);
      // Without kind and name, nothing may be left of an object.
      if (applied.object !== undefined) this.#live = applied.object ?? {};
      this.#owners = applied.owners;
      check(conflicts.length === 0 || force, 'conflicts were expected', conflicts);
    } catch (error) {
      if (!(error instanceof ApplyConflict)) throw error;
      const found = new Set([...error.conflicts.values()].flatMap((fields) => ownedLeaves(fields)));
      check(same(inOrder(found), inOrder(new Set(conflicts))), 'the conflicts of an apply', inOrder(found), conflicts);
      check(JSON.stringify(this.#live) === before, 'the live object was changed', before);
    }
  }

  #compare(): void {
    const text = ownersText(this.#owners);
    check(ownersText(parseOwners(text)) === text, 'the text of the owners changes', text);
    const values = inOrder([...leavesOf(this.#live)].map((leaf) => leaf.join('=')));
    const expected = inOrder([...this.#model.live].map((leaf) => leaf.join('=')));
    check(same(values, expected), 'the values', values, expected);
    for (const [id, paths] of this.#model.owners) {
      const fields = this.#owners.get(id)?.fields;
      const own = fields ? inOrder(ownedLeaves(fields)) : [];
      check(same(own, inOrder(paths)), `what ${id} owns`, own, inOrder(paths));
    }
  }
}

const inOrder = (paths: Iterable<string>): string[] => [...paths].sort();

export const applies: Fuzzer = {
  name: 'applies',
  cases: 300,
  run(random) {
    const writes = new Writes();
    for (let step = 0; step < STEPS; step++) writes.step(random, step === 0);
  },
};
