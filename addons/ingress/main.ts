/** Assembles `kedge ingress-controller`: the cluster's objects, the compiler, the proxy, and what users are told. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import { runLeaderElection } from '../../client/leader-election.ts';
import type { Logger } from '../../client/logger.ts';
import type { TransportOptions } from '../../client/transport.ts';
import { ClusterObjects } from './cluster/cluster-objects.ts';
import { inClusterAccess } from './cluster/in-cluster.ts';
import { GatewayReports } from './cluster/gateway-reports.ts';
import { Reports } from './cluster/reports.ts';
import type { IngressConfig } from './config.ts';
import { selfSigned } from './default-certificate.ts';
import { ProxyDriver } from './haproxy/driver.ts';
import { HaproxyProcess } from './haproxy/process.ts';
import { portsAllowedBy, portsInUse } from './gateway-ports.ts';
import { compileCluster, type CompiledCluster } from './gateway/compile.ts';
import type { Model } from './model/model.ts';
import { Pace } from './pace.ts';
import { startStatusServer } from './status-server.ts';

const LEASE = 'kedge-ingress-leader';
const COMPONENT = 'kedge-ingress';
const RETRY = { initialMs: 200, maxMs: 10_000 };
/** IPv6 is there when the kernel has its addresses. */
const IPV6_ADDRESSES = '/proc/net/if_inet6';

/** Runs until the signal is aborted. */
export async function runIngressController(config: IngressConfig, signal: AbortSignal, logger: Logger): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const client = new ApiClient({ ...(await accessOf(config)), userAgent: 'kedge-ingress', logger });
  stack.use(client);
  const stopping = new AbortController();
  stack.defer(() => stopping.abort());
  const stop = AbortSignal.any([signal, stopping.signal]);
  await rm(config.directory, { recursive: true, force: true });
  await mkdir(config.directory, { recursive: true, mode: 0o700 });

  const pace = new Pace();
  const wake = (): void => pace.wake();
  const objects = new ClusterObjects({ client, refreshMs: config.secretRefreshSeconds * 1000, logger, onChange: wake });
  const proxy = new HaproxyProcess(config.haproxy, logger);
  stack.defer(() => proxy.stop());
  const driver = new ProxyDriver({
    ...{ process: proxy, directory: config.directory, logger, onExit: wake },
    settings: {
      bindAddresses: config.bindAddress.filter((address) => !address.includes(':') || existsSync(IPV6_ADDRESSES)),
      httpPort: config.httpPort,
      httpsPort: config.httpsPort,
      maxConnections: config.maxConnections,
      drainSeconds: config.drainSeconds,
      accessLog: config.accessLog,
      defaultCertificate: await selfSigned(),
    },
  });
  const events = new EventRecorder({ client, component: COMPONENT, logger, signal: stop });
  const reports = new Reports({
    ...{ client, namespace: config.namespace, addresses: config.publishStatusAddress, events, logger },
    ingress: (key) => objects.ingress(key),
    onAddresses: () => gatewayReports.addressesChanged(),
  });
  const gatewayReports = new GatewayReports({
    ...{ client, objects: objects.gatewayApi, logger },
    addresses: () => reports.addresses,
  });
  const state = { model: undefined as Model | undefined, lastReloadSeconds: 0 };
  const status = await startStatusServer({
    ...{ address: '0.0.0.0', port: config.statusPort, api: () => driver.api, logger },
    ownerOf: (section) => driver.ownerOf(section),
    counts: () => ({
      reloads: driver.reloads,
      ingresses: state.model?.served.size ?? 0,
      problems: state.model?.problems.length ?? 0,
      lastReloadSeconds: state.lastReloadSeconds,
    }),
  });
  stack.defer(() => {
    status.closeAllConnections();
    status.close();
  });

  const serve = async (): Promise<void> => {
    await objects.hasSynced();
    for (let failures = 0; !stop.aborted;) {
      try {
        await applyOnce();
        failures = 0;
        await pace.next(stop);
      } catch (error) {
        if (stop.aborted) return;
        const retryMs = backoffMs(RETRY, ++failures);
        logger.error({ err: error, retryMs: Math.round(retryMs) }, 'failed to configure the proxy, retrying');
        await delay(retryMs, undefined, { signal: stop }).catch(() => undefined);
      }
    }
  };
  const { httpPort, httpsPort, allowExternalName: allowExternalNames, gatewayPorts } = config;
  const allowsPort = portsAllowedBy(gatewayPorts);
  /** Ports that others listen on: a worker that cannot have one would not start. */
  const takenPorts = async (): Promise<ReadonlySet<number>> => {
    if (gatewayPorts.length === 0) return new Set();
    const own = new Set(state.model?.routing.ports.map(({ port }) => port));
    return new Set([...(await portsInUse())].filter((port) => !own.has(port)));
  };
  const applyOnce = async (): Promise<void> => {
    const options = { httpPort, httpsPort, allowsPort, allowExternalNames, takenPorts: await takenPorts() };
    const without = (refused: ReadonlySet<string>): CompiledCluster => compileCluster(objects, { ...options, refused });
    const compiled = await objects.compiled(() => without(new Set()), stop);
    if (driver.needsReload(compiled.model)) await pace.beforeReload(stop);
    const start = performance.now();
    const { effect, refused } = await driver.apply(compiled.model, (keys) => without(keys).model, stop);
    const applied = refused.size > 0 ? without(refused) : compiled;
    state.model = applied.model;
    const seconds = (performance.now() - start) / 1000;
    if (effect === 'reloaded') state.lastReloadSeconds = seconds;
    reports.update(applied.model);
    gatewayReports.update(applied.reports);
    const { served, routing } = applied.model;
    if (effect !== 'nothing')
      logger.debug(
        { effect, seconds, ingresses: served.size, routes: routing.routes.size, refused: [...refused] },
        'proxy configured',
      );
  };
  const election = runLeaderElection({
    ...{ client, namespace: config.namespace, name: LEASE, identity: `${os.hostname()}_${process.pid}`, logger },
    signal: stop,
    lead: async (leading) => void (await Promise.all([reports.lead(leading), gatewayReports.lead(leading)])),
  });
  await Promise.all([objects.run(stop), serve(), election]);
}

const accessOf = async ({ kubeconfig }: IngressConfig): Promise<Omit<TransportOptions, 'userAgent'>> =>
  kubeconfig === '' ? inClusterAccess(process.env) : loadKubeconfig(kubeconfig);
