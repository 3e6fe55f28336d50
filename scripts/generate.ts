/**
 * Generates code from the facts about the Kubernetes API in `api/types/facts.txt` (its header describes the format): the types
 * and shapes of every group version in `api/types`, and the resources of the client in `client/resources.gen.ts`. With
 * `--check` it writes nothing and fails when a generated file is stale.
 */
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

interface FieldFacts {
  readonly number: string;
  readonly name: string;
  readonly type: string;
  readonly flags: readonly string[];
}
interface StructFacts {
  readonly name: string;
  /** Any JSON value, which has a field for each of its types in protobuf. */
  readonly isChoice: boolean;
  readonly mapType: string | undefined;
  readonly fields: FieldFacts[];
}
interface ResourceFacts {
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}
interface PackageFacts {
  /** `io.k8s.api.core.v1` */
  readonly prefix: string;
  /** Undefined for meta/v1, which has no resources. */
  readonly groupVersion: { readonly group: string; readonly version: string } | undefined;
  readonly resources: ResourceFacts[];
  readonly structs: StructFacts[];
}

const HEADER = '// Generated from api/types/facts.txt by `npm run generate`.\n';
/** `core/v1` of `io.k8s.api.core.v1`. */
const folderOf = (prefix: string): string => prefix.split('.').slice(-2).join('/');

function parseFacts(text: string): PackageFacts[] {
  const packages: PackageFacts[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [first = '', ...others] = line.split('\t');
    const current = packages.at(-1);
    if (first === 'package') {
      const [prefix = '', group, version] = others;
      const groupVersion =
        group === undefined || version === undefined ? undefined : { group: group === '""' ? '' : group, version };
      packages.push({ prefix, groupVersion, resources: [], structs: [] });
    } else if (first === 'resource') {
      const [plural = '', kind = '', scope] = others;
      current?.resources.push({ plural, kind, namespaced: scope === 'namespaced' });
    } else if (first === 'struct' || first === 'choice') {
      const [name = '', map] = others;
      current?.structs.push({ name, isChoice: first === 'choice', mapType: map?.slice('map='.length), fields: [] });
    } else {
      const [name, type, ...flags] = others;
      if (name === undefined || type === undefined) throw new Error(`facts.txt:${index + 1}: not a field: ${line}`);
      current?.structs.at(-1)?.fields.push({ number: first, name, type, flags });
    }
  }
  return packages;
}

/** By the type's name in the facts: the shape's name in `api/machinery/schema.ts`, and the TypeScript type. */
const SCALARS: ReadonlyMap<string, readonly [shape: string, type: string]> = new Map([
  ['string', ['string', 'string']],
  ['boolean', ['boolean', 'boolean']],
  ['int32', ['int32', 'number']],
  ['int64', ['int64', 'number']],
  ['double', ['double', 'number']],
  ['bytes', ['bytes', 'string']],
  ['time', ['time', 'string']],
  ['micro-time', ['microTime', 'string']],
  ['duration', ['duration', 'string']],
  ['quantity', ['quantity', 'string']],
  ['int-or-string', ['intOrString', 'number | string']],
  ['port', ['port', 'number']],
  ['linux-id', ['linuxId', 'number']],
  ['short-name', ['shortName', 'string']],
  ['long-name', ['longName', 'string']],
  ['path-segment-name', ['pathSegmentName', 'string']],
  ['label-key', ['labelKey', 'string']],
  ['label-value', ['labelValue', 'string']],
  ['config-key', ['configKey', 'string']],
  ['env-name', ['envName', 'string']],
  ['port-name', ['portName', 'string']],
  ['ip', ['ip', 'string']],
  ['cidr', ['cidr', 'string']],
]);

/** Types of any JSON value and any object, with the name that OpenAPI publishes them by. */
const ANY = 'any:';
const OBJECT = 'object:';

const quoted = (text: string): string => `'${text}'`;
const isIdentifier = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name);
const keyOf = (name: string): string => (isIdentifier(name) ? name : quoted(name));

/** Converts a validation flag to keywords of `Constraints`. */
function constraintKeywords(flag: string, value: string, words: () => string[]): string[] {
  switch (flag) {
    case 'nonempty':
      return ['nonEmpty: true'];
    case 'immutable':
      return ['immutable: true'];
    case 'min':
      return [`minimum: ${value}`];
    case 'above':
      return [`minimum: ${value}`, 'exclusiveMinimum: true'];
    case 'max':
      return [`maximum: ${value}`];
    case 'maxBytes':
    case 'maxItems':
      return [`${flag}: ${value}`];
    case 'supported':
      return [`supported: [${(value === '' ? words() : value.split(',')).map(quoted).join(', ')}]`];
    default:
      return [];
  }
}

/** One generated module. */
class TypesModule {
  readonly #package: PackageFacts;
  readonly #packages: ReadonlyMap<string, PackageFacts>;
  readonly #own: ReadonlySet<string>;
  readonly #vocabulary = new Set<string>();
  /** Imported names by folder of the module. */
  readonly #imports = new Map<string, Set<string>>();

  constructor(facts: PackageFacts, packages: ReadonlyMap<string, PackageFacts>) {
    this.#package = facts;
    this.#packages = packages;
    this.#own = new Set(facts.structs.map(({ name }) => name));
  }

  text(): string {
    const structs = this.#package.structs.map((each) => this.#struct(each)).join('\n');
    const folder = folderOf(this.#package.prefix);
    const imports = [...this.#imports].map(([other, names]) => {
      const between = path.posix.relative(path.posix.dirname(folder), other);
      const specifier = between.startsWith('.') ? between : `./${between}`;
      return `import { ${[...names].sort().join(', ')} } from '${specifier}.gen.ts';\n`;
    });
    const vocabulary = [...this.#vocabulary].sort().join(', ');
    return `${HEADER}import { ${vocabulary} } from '../../machinery/schema.ts';\n${imports.sort().join('')}\n${structs}`;
  }

  #word(name: string): string {
    this.#vocabulary.add(name);
    return name;
  }

  #struct({ name, isChoice, mapType, fields }: StructFacts): string {
    const isRequired = ({ flags }: FieldFacts): boolean => flags.includes('required');
    const byName = fields.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const sorted = [...byName.filter(isRequired), ...byName.filter((field) => !isRequired(field))];
    const shapes = sorted.map((field) => `  ${keyOf(field.name)}: ${this.#field(field)},\n`).join('');
    const types = sorted
      .map((field) => `  ${keyOf(field.name)}${isRequired(field) ? '' : '?'}: ${this.#fieldType(field)};\n`)
      .join('');
    const keywords = mapType === undefined ? '' : `, { mapType: ${quoted(mapType)} }`;
    const definition = `${this.#package.prefix}.${name}`;
    const fieldsText = shapes === '' ? '() => ({})' : `() => ({\n${shapes}})`;
    if (isChoice)
      return (
        `export const ${name} = ${this.#word('choice')}(${quoted(definition)}, ${fieldsText});\n` +
        `export type ${name} = unknown;\n`
      );
    return (
      `export const ${name} = ${this.#word('struct')}(${quoted(definition)}, ${fieldsText}${keywords});\n` +
      `export type ${name} = {\n${types}};\n`
    );
  }

  #field({ number, type, flags }: FieldFacts): string {
    const keywords: string[] = [];
    for (const flag of flags) {
      const [keyword = '', value = ''] = flag.split('=');
      const [word = '', rest] = value.split(':');
      if (keyword === 'always' || keyword === 'pointer' || keyword === 'nullable') keywords.push(`${keyword}: true`);
      if (keyword === 'list') {
        keywords.push(`listType: ${quoted(word)}`);
        if (rest) keywords.push(`listMapKeys: [${rest.split(',').map(quoted).join(', ')}]`);
      }
      if (keyword === 'patch') {
        if (rest) keywords.push(`patchMergeKey: ${quoted(rest)}`);
        if (word) keywords.push(`patchStrategy: ${quoted(word)}`);
      }
      if (keyword === 'map') keywords.push(`mapType: ${quoted(word)}`);
      if (keyword === 'go') keywords.push(`goType: ${quoted(value)}`);
      if (keyword === 'in') keywords.push(`embeddedIn: ${quoted(value)}`);
      keywords.push(...constraintKeywords(keyword, value, () => this.#words(type)));
    }
    const presence = this.#word(flags.includes('required') ? 'required' : 'optional');
    const numberText =
      number === '-' ? 'undefined' : number.includes('.') ? `[${number.replaceAll('.', ', ')}]` : number;
    const others = keywords.length === 0 ? '' : `, { ${keywords.join(', ')} }`;
    return `${presence}(${numberText}, ${this.#shapeOf(type)}${others})`;
  }

  #shapeOf(type: string): string {
    if (type.startsWith('[')) return `${this.#word('list')}(${this.#shapeOf(type.slice(1, -1))})`;
    if (type.startsWith('{')) return `${this.#word('mapOf')}(${this.#shapeOf(type.slice(1, -1))})`;
    if (type.startsWith('"')) return `${this.#word('oneOf')}(${this.#words(type).map(quoted).join(', ')})`;
    if (type.startsWith(ANY)) return `${this.#word('anyJson')}(${this.#definition(type.slice(ANY.length))})`;
    if (type.startsWith(OBJECT)) return `${this.#word('namedObject')}(${this.#definition(type.slice(OBJECT.length))})`;
    const scalar = SCALARS.get(type);
    return scalar ? this.#word(scalar[0]) : this.#named(type);
  }

  #definition(name: string): string {
    return quoted(name.includes('.') ? name : `${this.#package.prefix}.${name}`);
  }

  /** Fields that are serialized even when unset may be null. Required fields are checked by validation, except times. */
  #fieldType({ type, flags }: FieldFacts): string {
    const isTime = type === 'time' || type === 'micro-time';
    const zeroIsNull = isTime || type === 'bytes' || type.startsWith('[') || type.startsWith('{');
    const isRequired = flags.includes('required');
    const isNullable = isRequired ? isTime : (flags.includes('always') && zeroIsNull) || flags.includes('nullable');
    return isNullable ? `${this.#typeOf(type)} | null` : this.#typeOf(type);
  }

  #typeOf(type: string): string {
    if (type.startsWith('[')) {
      const item = this.#typeOf(type.slice(1, -1));
      return item.includes(' | ') ? `(${item})[]` : `${item}[]`;
    }
    if (type.startsWith('{')) return `Record<string, ${this.#typeOf(type.slice(1, -1))}>`;
    if (type.startsWith('"')) return this.#words(type).map(quoted).join(' | ');
    if (type.startsWith(ANY)) return 'unknown';
    if (type.startsWith(OBJECT)) return 'Record<string, unknown>';
    return SCALARS.get(type)?.[1] ?? this.#named(type);
  }

  /** The values of an enum or a list of enums. */
  #words(type: string): string[] {
    return type
      .replace(/^\[(.*)\]$/, '$1')
      .split('|')
      .map((word) => JSON.parse(word) as string);
  }

  /** Resolves a struct: `ObjectMeta` of the same package, or `meta.v1.ObjectMeta`. */
  #named(type: string): string {
    const parts = type.split('.');
    const name = parts.pop() ?? '';
    if (parts.length === 0) {
      if (!this.#own.has(name)) throw new Error(`${this.#package.prefix} has no struct ${name}`);
      return name;
    }
    const folder = parts.join('/');
    if (!this.#packages.get(folder)?.structs.some((struct) => struct.name === name))
      throw new Error(`there is no ${type}`);
    if (this.#own.has(name)) throw new Error(`${this.#package.prefix} has a ${name} of its own beside ${type}`);
    const names = this.#imports.get(folder) ?? new Set();
    this.#imports.set(folder, names.add(name));
    return name;
  }
}

/** `networkPolicies` for NetworkPolicy and networkpolicies. */
function camelPlural({ kind, plural }: ResourceFacts): string {
  const lower = kind.toLowerCase();
  let same = 0;
  while (same < lower.length && lower[same] === plural[same]) same++;
  const name = kind.slice(0, same) + plural.slice(same);
  const capitals = /^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/.exec(name)?.[0] ?? '';
  return capitals.toLowerCase() + name.slice(capitals.length);
}

function resourcesText(packages: readonly PackageFacts[]): string {
  const imports: string[] = [];
  const lines: string[] = [];
  const taken = new Set<string>();
  // The core group first: its events are `events`, those of events.k8s.io `eventsEventsV1`.
  const sorted = packages.toSorted(
    (one, other) => Number(other.groupVersion?.group === '') - Number(one.groupVersion?.group === ''),
  );
  for (const { prefix, groupVersion, resources } of sorted) {
    if (groupVersion === undefined || resources.length === 0) continue;
    const folder = folderOf(prefix);
    const suffix = folder
      .split('/')
      .map((part) => part[0]?.toUpperCase() + part.slice(1))
      .join('');
    imports.push(`import type * as ${suffix} from '../api/types/${folder}.gen.ts';\n`);
    for (const resource of resources) {
      const plain = camelPlural(resource);
      const name = taken.has(plain) ? `${plain}${suffix}` : plain;
      taken.add(name);
      const { group, version } = groupVersion;
      const { kind, plural, namespaced } = resource;
      const place = `group: ${quoted(group)}, version: ${quoted(version)}, kind: ${quoted(kind)}, plural: ${quoted(plural)}`;
      lines.push(`export const ${name}: Resource<${suffix}.${kind}> = { ${place}, namespaced: ${namespaced} };\n`);
    }
  }
  return (
    `${HEADER}// Kinds carry shapes, validation and columns, which only the api-server needs: without them an agent, and each thread of\n` +
    `// a server, takes 13 MB less.\n${imports.sort().join('')}import type { Resource } from './resource.ts';\n\n${lines.join('')}`
  );
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const root = path.resolve(import.meta.dirname, '..');
const packages = parseFacts(await readFile(path.join(root, 'api/types/facts.txt'), 'utf8'));
const byFolder = new Map(packages.map((each) => [folderOf(each.prefix), each]));
const wanted = new Map([['client/resources.gen.ts', resourcesText(packages)]]);
for (const [folder, facts] of byFolder)
  wanted.set(`api/types/${folder}.gen.ts`, new TypesModule(facts, byFolder).text());

const stale: string[] = [];
for await (const file of glob('{api,client}/**/*.gen.ts', { cwd: root })) if (!wanted.has(file)) stale.push(file);
for (const [file, text] of wanted) {
  const present = await readFile(path.join(root, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (present !== text) stale.push(file);
}
if (values.check) {
  if (stale.length > 0) console.error(`generated files are stale, run \`npm run generate\`: ${stale.join(', ')}`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const file of stale) {
    const text = wanted.get(file);
    const target = path.join(root, file);
    if (text === undefined) {
      await rm(target);
    } else {
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, text);
    }
  }
}
