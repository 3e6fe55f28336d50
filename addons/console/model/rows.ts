/** Rows of a list: what they are made of, and which are shown in which order. */
export interface Column {
  readonly name: string;
  readonly description: string;
  /** 0 for those that are always shown. */
  readonly priority: number;
  readonly isAge: boolean;
}

export interface Row {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Milliseconds since the epoch; 0 when there is none. */
  readonly createdAt: number;
  readonly isTerminating: boolean;
  readonly cells: readonly string[];
  readonly labels: string;
  /** What the filter looks at, in lower case. */
  readonly text: string;
}

/** What is read of `meta.k8s.io/v1` Table. */
export interface Table {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly columnDefinitions?: readonly {
    readonly name?: string;
    readonly description?: string;
    readonly priority?: number;
    readonly type?: string;
  }[];
  readonly rows?: readonly {
    readonly cells?: readonly unknown[];
    readonly object?: { readonly metadata?: Metadata };
  }[];
}

interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string | null;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export const columnsOf = ({ columnDefinitions = [] }: Table): Column[] =>
  columnDefinitions.map(({ name = '', description = '', priority = 0, type = '' }) => ({
    name,
    description,
    priority,
    // Servers write an age as it was when they were asked; custom resources have the date.
    isAge: name === 'Age' || (type === 'date' && name === 'Created At'),
  }));

export function rowsOf({ rows = [] }: Table): Row[] {
  return rows.map(({ cells = [], object }) => {
    const metadata: Metadata = object?.metadata ?? {};
    const shown = cells.map(cellText);
    const name = metadata.name ?? shown[0] ?? '';
    const namespace = metadata.namespace ?? '';
    const labels = Object.entries(metadata.labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(' ');
    return {
      uid: metadata.uid ?? `${namespace}/${name}`,
      name,
      namespace,
      createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
      isTerminating: metadata.deletionTimestamp !== undefined,
      cells: shown,
      labels,
      text: `${namespace} ${shown.join(' ')} ${labels}`.toLowerCase(),
    };
  });
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value);
}

export interface Order {
  /** The index of a column, or what rows have besides their cells. */
  readonly by: number | 'namespace' | 'age';
  readonly descending: boolean;
}

const collator = new Intl.Collator('en', { numeric: true });
const UNITS = new Map([
  ['m', 1e-3],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
]);
const QUANTITY = /^(-?\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

/** A number or quantity; undefined for other text. */
export function quantityOf(text: string): number | undefined {
  const [, digits, unit = ''] = QUANTITY.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS.get(unit) ?? 1);
}

function compareCells(left: string, right: string): number {
  if (left === right) return 0;
  const [one, other] = [quantityOf(left), quantityOf(right)];
  return one !== undefined && other !== undefined ? one - other : collator.compare(left, right);
}

const compareNames = (left: Row, right: Row): number =>
  // Most names differ in ASCII, for which this is many times faster than a collator.
  left.namespace < right.namespace
    ? -1
    : left.namespace > right.namespace
      ? 1
      : left.name < right.name
        ? -1
        : left.name > right.name
          ? 1
          : 0;

/** By namespace and name where there is no order, or the order says nothing. */
export function sorted(rows: Iterable<Row>, order: Order | undefined): Row[] {
  const all = [...rows];
  if (!order) return all.sort(compareNames);
  const { by, descending } = order;
  const compare = (left: Row, right: Row): number => {
    if (by === 'age') return right.createdAt - left.createdAt;
    if (by === 'namespace') return collator.compare(left.namespace, right.namespace);
    return compareCells(left.cells[by] ?? '', right.cells[by] ?? '');
  };
  const sign = descending ? -1 : 1;
  return all.sort((left, right) => sign * compare(left, right) || compareNames(left, right));
}

/** The rows that have every word, anywhere in namespace, cells and labels (`key=value`). A word after `!` must not be there. */
export function filtered(rows: readonly Row[], filter: string): readonly Row[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '!');
  if (words.length === 0) return rows;
  return rows.filter(({ text }) =>
    words.every((word) => (word.startsWith('!') ? !text.includes(word.slice(1)) : text.includes(word))),
  );
}

export type Tone = 'good' | 'busy' | 'bad' | 'plain';

const TONES = new Map<string, Tone>([
  ...[
    'Running',
    'Ready',
    'Active',
    'Bound',
    'Available',
    'Complete',
    'Completed',
    'Succeeded',
    'True',
    'Approved,Issued',
  ].map((word) => [word, 'good'] as const),
  ...[
    'Pending',
    'ContainerCreating',
    'PodInitializing',
    'Terminating',
    'Released',
    'Suspended',
    'Ready,SchedulingDisabled',
    'SchedulingGated',
  ].map((word) => [word, 'busy'] as const),
  ...[
    'Failed',
    'Error',
    'CrashLoopBackOff',
    'ImagePullBackOff',
    'ErrImagePull',
    'Evicted',
    'NotReady',
    'OOMKilled',
    'Lost',
    'Warning',
    'Unknown',
    'CreateContainerConfigError',
  ].map((word) => [word, 'bad'] as const),
]);

/** How a status is coloured. The word itself says the same to those who see no colours. */
export const toneOf = (status: string): Tone =>
  TONES.get(status) ?? (status.startsWith('NotReady') ? 'bad' : status.startsWith('Init:') ? 'busy' : 'plain');
