/** The proxy's counters as Prometheus reads them, labelled with Ingress and namespace. Pure. */

export interface OwnCounts {
  readonly reloads: number;
  readonly ingresses: number;
  readonly problems: number;
  readonly lastReloadSeconds: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** The column of `show stat`. */
  readonly column: string;
  readonly labels?: string;
  readonly factor?: number;
}

const MILLI = 0.001;
const RESPONSES = ['1xx', '2xx', '3xx', '4xx', '5xx'].map((status): Metric => ({
  name: 'kedge_ingress_requests_total',
  help: 'Answers by class of status code',
  type: 'counter',
  column: `hrsp_${status}`,
  labels: `,status="${status}"`,
}));
/** https://docs.haproxy.org/2.6/management.html#9.1 */
const METRICS: readonly Metric[] = [
  ...RESPONSES,
  { name: 'kedge_ingress_request_bytes_total', help: 'Bytes received', type: 'counter', column: 'bin' },
  { name: 'kedge_ingress_response_bytes_total', help: 'Bytes sent', type: 'counter', column: 'bout' },
  { name: 'kedge_ingress_active_requests', help: 'Requests being served', type: 'gauge', column: 'scur' },
  {
    name: 'kedge_ingress_connection_errors_total',
    help: 'Failed connections to endpoints',
    type: 'counter',
    column: 'econ',
  },
  { name: 'kedge_ingress_retries_total', help: 'Repeated attempts to connect', type: 'counter', column: 'wretr' },
  {
    ...{ name: 'kedge_ingress_response_seconds', help: 'Average time of the last 1024 answers', type: 'gauge' },
    ...{ column: 'rtime', factor: MILLI },
  },
];

/** Of the name of a backend: namespace, Ingress and a hash. */
const NAME_PARTS = 3;

const escaped = (value: string): string => value.replace(/["\\\n]/g, '_');

/**
 * @param stat the proxy's answer to `show stat`
 * @param ownerOf the backend that a section is for
 */
export function metricsText(stat: string, counts: OwnCounts, ownerOf: (section: string) => string): string {
  const [header = '', ...lines] = stat.split('\n').filter((line) => line !== '');
  const columns = header.replace(/^# /, '').split(',');
  const rows = lines.map((line) => {
    const values = line.split(',');
    const row = new Map(columns.map((column, index) => [column, values[index] ?? '']));
    return row.set('pxname', ownerOf(row.get('pxname') ?? ''));
  });
  const backends = rows.filter(
    (row) => row.get('svname') === 'BACKEND' && (row.get('pxname')?.split('_').length ?? 0) >= NAME_PARTS,
  );
  const text: string[] = [];
  let described = '';
  for (const { name, help, type, column, labels = '', factor = 1 } of METRICS) {
    if (name !== described) text.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    described = name;
    for (const [labelled, value] of sums(backends, column))
      text.push(`${name}{${labelled}${labels}} ${Number((value * factor).toPrecision(12))}`);
  }
  const own: [string, string, string, number][] = [
    ['kedge_ingress_reloads_total', 'counter', 'Workers started', counts.reloads],
    ['kedge_ingress_served', 'gauge', 'Ingresses served', counts.ingresses],
    ['kedge_ingress_problems', 'gauge', 'What is wrong with Ingresses', counts.problems],
    ['kedge_ingress_last_reload_seconds', 'gauge', 'How long the last reload took', counts.lastReloadSeconds],
  ];
  for (const [name, type, help, value] of own)
    text.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`);
  return `${text.join('\n')}\n`;
}

/** Backends of one Ingress are counted together; an average is that of the slowest. */
function sums(rows: readonly ReadonlyMap<string, string>[], column: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const row of rows) {
    const [namespace = '', ingress = ''] = (row.get('pxname') ?? '').split('_');
    const labels = `namespace="${escaped(namespace)}",ingress="${escaped(ingress)}"`;
    const value = Number(row.get(column) ?? 0);
    const before = found.get(labels) ?? 0;
    found.set(labels, column === 'rtime' ? Math.max(before, value) : before + value);
  }
  return found;
}
