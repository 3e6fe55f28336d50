/** The two ports of kube-proxy: health for load balancers, and metrics. */
import type { Logger } from '../../../../client/logger.ts';
import { EXPOSITION_TYPE } from '../../../../daemon/metrics/exposition.ts';
import { HttpPort, type HttpAnswer, type HttpPortOptions } from '../../../../daemon/http-port.ts';
import type { HealthReport, ProxyHealth } from './proxy-health.ts';

export interface ProxyPortsOptions {
  readonly health: ProxyHealth;
  /** 0 for a port that is not served. */
  readonly ports: {
    readonly health: number;
    readonly healthAddress: string;
    readonly metrics: number;
    readonly metricsAddress: string;
  };
  readonly proxyMode: string;
  readonly metrics: {
    /** An answer to `/healthz` or `/livez` of the health port. */
    readonly healthAsked: (path: 'healthz' | 'livez', status: number) => void;
    /** In Prometheus' text format. */
    readonly text: () => Promise<string>;
  };
  readonly logger: Logger;
}

/** Serves until it is disposed of. */
export function serveProxyPorts(options: ProxyPortsOptions): Disposable {
  const { health, ports, logger } = options;
  using opened = new DisposableStack();
  const open = (port: number, address: string, serves: string, answer: HttpPortOptions['answer']): void => {
    if (port !== 0) opened.use(new HttpPort({ port, address, answer, logger, fields: { serves } }));
  };
  const { healthAsked } = options.metrics;
  open(ports.health, ports.healthAddress, 'proxy health', (path) => healthAnswer(path, health, healthAsked));
  open(ports.metrics, ports.metricsAddress, 'proxy metrics', (path) => metricsAnswer(path, options));
  return opened.move();
}

function healthAnswer(
  path: string,
  health: ProxyHealth,
  asked: ProxyPortsOptions['metrics']['healthAsked'],
): HttpAnswer | undefined {
  if (path !== '/healthz' && path !== '/livez') return undefined;
  const nodeEligible = health.isEligible;
  const body: HealthReport = path === '/healthz' ? { ...health.report(), nodeEligible } : health.report();
  const status = body.healthy && body.nodeEligible !== false ? 200 : 503;
  asked(path === '/healthz' ? 'healthz' : 'livez', status);
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

const text = (body: string): HttpAnswer => ({ status: 200, type: 'text/plain; charset=utf-8', body });

async function metricsAnswer(path: string, options: ProxyPortsOptions): Promise<HttpAnswer | undefined> {
  switch (path) {
    case '/metrics':
      return { status: 200, type: EXPOSITION_TYPE, body: await options.metrics.text() };
    case '/healthz':
      return text('ok');
    case '/proxyMode':
      return text(options.proxyMode);
    default:
      return undefined;
  }
}
