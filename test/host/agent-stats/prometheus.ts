/** Debian's Prometheus, which scrapes as a ServiceAccount. It is built without discovery by the api-server, and is told what to scrape. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ProgramError, run } from '../../../agent/host/run.ts';
import type { Cluster } from '../../support/cluster.ts';
import { Daemon } from '../../support/daemon.ts';
import { debianPackage } from '../../support/debian-package.ts';

const ACCOUNT = 'system:serviceaccount:default:prometheus';
const API = 'http://127.0.0.1:9090/api/v1';

export interface Target {
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

/** The folder of `prometheus` and `promtool`, or why they cannot be had. */
export async function findPrometheus(): Promise<{ folder: string; missing: string | false }> {
  try {
    return { folder: await debianPackage('bookworm', 'prometheus'), missing: false };
  } catch (error) {
    return { folder: '', missing: `Debian's Prometheus cannot be had: ${(error as Error).message.slice(0, 200)}` };
  }
}

/** What promtool says of a text in Prometheus' format. Throws when it cannot be parsed. */
export async function promtoolProblems(folder: string, text: string): Promise<string[]> {
  try {
    await run(path.join(folder, 'promtool'), ['check', 'metrics'], { input: text, timeoutMs: 30_000 });
    return [];
  } catch (error) {
    // 3: it can be parsed, and there are matters of style.
    if (!(error instanceof ProgramError) || error.exitCode !== 3) throw error;
    return error.stderr.split('\n').filter(Boolean);
  }
}

/** May read what a monitoring system reads, and nothing else. */
const ACCESS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'prometheus', namespace: 'default' } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'prometheus' },
    rules: [
      { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
      { nonResourceURLs: ['/metrics', '/metrics/*'], verbs: ['get'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'prometheus' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'prometheus' },
    subjects: [{ kind: 'User', name: ACCOUNT, apiGroup: 'rbac.authorization.k8s.io' }],
  },
];

/** An account of a monitoring system. */
export class ScrapingAccount {
  readonly #cluster: Cluster;
  readonly tokenFile: string;
  readonly caFile: string;

  private constructor(cluster: Cluster, tokenFile: string) {
    this.#cluster = cluster;
    this.tokenFile = tokenFile;
    this.caFile = path.join(cluster.dataDirectory, 'pki/ca.crt');
  }

  static async create(cluster: Cluster): Promise<ScrapingAccount> {
    await cluster.apply({ apiVersion: 'v1', kind: 'List', items: ACCESS });
    const { stdout: token } = await cluster.kubectl('create', 'token', 'prometheus');
    const tokenFile = path.join(cluster.directory, 'scraping-token');
    await writeFile(tokenFile, token.trim(), { mode: 0o600 });
    return new ScrapingAccount(cluster, tokenFile);
  }

  /** Reads metrics on the first node. Rejects when they are not given. */
  async read(url: string): Promise<string> {
    const header = `Authorization: Bearer ${await readFile(this.tokenFile, 'utf8')}`;
    const options = [
      '--silent',
      '--show-error',
      '--fail',
      '--max-time',
      '20',
      '--cacert',
      this.caFile,
      '--header',
      '@-',
    ];
    return (await this.#cluster.host.run('curl', [...options, url], { input: header })).stdout;
  }
}

export class Prometheus {
  readonly #cluster: Cluster;
  readonly #daemon: Daemon;

  private constructor(cluster: Cluster, daemon: Daemon) {
    this.#cluster = cluster;
    this.#daemon = daemon;
  }

  static async start(cluster: Cluster, folder: string, account: ScrapingAccount): Promise<Prometheus> {
    const directory = path.join(cluster.directory, 'prometheus');
    await mkdir(directory, { recursive: true });
    const at = (name: string): string => path.join(directory, name);
    const config = configuration(account.tokenFile, account.caFile);
    // JSON is YAML.
    await writeFile(at('prometheus.yml'), JSON.stringify(config));
    const daemon = new Daemon(
      path.join(folder, 'prometheus'),
      [
        ...[`--config.file=${at('prometheus.yml')}`, `--storage.tsdb.path=${at('data')}`],
        ...['--web.listen-address=127.0.0.1:9090', '--log.level=info'],
      ],
      { netns: cluster.host.netns, log: at('log') },
    );
    return new Prometheus(cluster, daemon);
  }

  async targets(): Promise<Target[]> {
    const { activeTargets } = await this.#get<{ activeTargets: Target[] }>('/targets?state=active');
    return activeTargets;
  }

  /** The number of series that a query returns. */
  async count(query: string): Promise<number> {
    const { result } = await this.#get<{ result: unknown[] }>(`/query?query=${encodeURIComponent(query)}`);
    return result.length;
  }

  /** Lines of the log that warn. */
  async warnings(): Promise<string[]> {
    return (await this.#daemon.output()).split('\n').filter((line) => /level=(warn|error)/.test(line));
  }

  async #get<T>(at: string): Promise<T> {
    const { stdout } = await this.#cluster.host.run('curl', ['--silent', '--show-error', '--max-time', '10', API + at]);
    const { status, data } = JSON.parse(stdout) as { status: string; data: T };
    if (status !== 'success') throw new Error(stdout);
    return data;
  }

  end(): Promise<void> {
    return this.#daemon.end();
  }
}

/** Jobs are named as kube-prometheus names them: dashboards select by these names. */
function configuration(tokenFile: string, caFile: string): object {
  const access = { authorization: { credentials_file: tokenFile }, tls_config: { ca_file: caFile } };
  const ofNode = (job: string, port: number, metricsPath: string, scheme = 'https'): object => ({
    job_name: metricsPath === '/metrics' ? job : `${job}${metricsPath}`,
    metrics_path: metricsPath,
    scheme,
    honor_timestamps: metricsPath !== '/metrics/cadvisor',
    ...(scheme === 'https' && access),
    static_configs: [{ targets: [`10.77.0.1:${port}`], labels: { metrics_path: metricsPath } }],
    relabel_configs: [{ target_label: 'job', replacement: job }],
  });
  const kubelet = ['/metrics', '/metrics/cadvisor', '/metrics/resource', '/metrics/probes', '/metrics/slis'];
  return {
    global: { scrape_interval: '3s', scrape_timeout: '3s' },
    scrape_configs: [
      ofNode('apiserver', 6443, '/metrics'),
      ...kubelet.map((at) => ofNode('kubelet', 10250, at)),
      ofNode('kube-proxy', 10249, '/metrics', 'http'),
      ofNode('kube-scheduler', 10259, '/metrics'),
      ofNode('kube-controller-manager', 10257, '/metrics'),
      ofNode('kube-controller-manager', 10257, '/metrics/slis'),
    ],
  };
}
