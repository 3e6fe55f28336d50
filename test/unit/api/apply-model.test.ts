/** Random applies and updates against a plain model: values and owners by the paths of leaves. */
import t from 'tap';
import { apply, ApplyConflict } from '../../../api/machinery/fieldset/apply.ts';
import { EMPTY, type FieldSet } from '../../../api/machinery/fieldset/field-set.ts';
import { keyedList, type FieldType } from '../../../api/machinery/fieldset/field-type.ts';
import {
  managerId,
  ownersText,
  parseOwners,
  type Manager,
  type Owners,
} from '../../../api/machinery/fieldset/owners.ts';
import { updatedOwners, type Ownable } from '../../../api/machinery/fieldset/track.ts';

const ROUNDS = 300;
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

/** A small generator of numbers that a seed repeats (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

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

function thingOf(random: (below: number) => number): Thing {
  const thing: Thing = {};
  const value = (): string => String(random(2));
  for (const name of NAMES) {
    if (random(2) === 0) thing.data = { ...thing.data, [name]: value() };
    if (random(3) > 0) continue;
    const item = { name, ...(random(2) && { x: value() }), ...(random(2) && { y: value() }) };
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

const sorted = (paths: Iterable<string>): string[] => [...paths].sort();

t.test('random applies and updates leave the values and owners of the model', async (t) => {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const random = generator(seed);
    const model = new Model();
    let live: Thing = {};
    let owners: Owners = new Map();
    for (let step = 0; step < STEPS; step++) {
      const thing = thingOf(random);
      const by: Manager = {
        manager: `m${random(3)}`,
        // The first write makes the object, so that it is known who has owned it before the first apply.
        operation: step > 0 && random(3) > 0 ? 'Apply' : 'Update',
        apiVersion: 'v1',
        subresource: '',
      };
      if (by.operation === 'Update') {
        owners = updatedOwners(OWNABLE, live, thing, owners, by, TIME);
        live = thing;
        model.update(managerId(by), leavesOf(thing));
      } else if (owners.size > 0) {
        const force = random(2) === 0;
        const before = JSON.stringify(live);
        const conflicts = model.apply(managerId(by), leavesOf(thing), force);
        try {
          const applied = apply(OWNABLE, live, thing, owners, by, TIME, force);
          live = applied.object ?? live;
          owners = applied.owners;
          if (conflicts.length > 0 && !force) return t.fail(`seed ${seed}: expected conflicts ${conflicts.join()}`);
        } catch (error) {
          if (!(error instanceof ApplyConflict)) throw error;
          const found = new Set([...error.conflicts.values()].flatMap((fields) => ownedLeaves(fields)));
          if (sorted(found).join() !== sorted(new Set(conflicts)).join())
            return t.fail(`seed ${seed}: ${sorted(found).join()}`);
          if (JSON.stringify(live) !== before) return t.fail(`seed ${seed}: the live object was changed`);
        }
      }
      const text = ownersText(owners);
      if (ownersText(parseOwners(text)) !== text) return t.fail(`seed ${seed}: the text of the owners changes`);
      const values = [...leavesOf(live)].map((leaf) => leaf.join('=')).sort();
      const expected = [...model.live].map((leaf) => leaf.join('=')).sort();
      if (values.join() !== expected.join()) {
        return t.strictSame(values, expected, `values at step ${step} of seed ${seed}`);
      }
      for (const [id, paths] of model.owners) {
        const fields = owners.get(id)?.fields;
        const own = fields ? sorted(ownedLeaves(fields)) : [];
        if (own.join() !== sorted(paths).join()) {
          return t.strictSame(own, sorted(paths), `owner ${id} at step ${step} of seed ${seed}`);
        }
      }
    }
  }
  t.pass(`${ROUNDS * STEPS} writes`);
});
