/**
 * Runs on a node, in its network namespace, and prints its measurements as JSON:
 *   rollout KUBECONFIG NAME REPLICAS                         apply a Deployment with kubectl and wait for its rollout
 *   service-latency PORT TOKEN NAME DEPLOYMENT               create a Service for a Deployment's pods and connect to it
 *   create-services PORT TOKEN DEPLOYMENT PREFIX COUNT       create this many Services, and one more to connect to
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../agent/host/run.ts';
import { ask, load, requestBytes, type Target } from './http.ts';
import { deployment, service } from './workload.ts';

export interface RolloutTimes {
  /** Seconds from the start of `kubectl apply` to the end of `kubectl rollout status`. */
  readonly rolledOut: number;
  /** The part of it after `kubectl apply` has ended, in seconds. */
  readonly afterApply: number;
}

export interface ServiceLatency {
  readonly milliseconds: number;
}

const CONNECTIONS = 16;
const BETWEEN_ATTEMPTS_MS = 2;
const GIVE_UP_MS = 20_000;
/** Interval of connection attempts while thousands of Services are synced. */
const SETTLE_ATTEMPTS_MS = 250;
const SETTLE_MS = 120_000;
const ROLLOUT_LIMIT_MS = 180_000;

async function rollout(kubeconfig: string, name: string, replicas: number): Promise<RolloutTimes> {
  const kubectl = (args: readonly string[], input?: string) =>
    run('kubectl', ['--kubeconfig', kubeconfig, ...args], { timeoutMs: ROLLOUT_LIMIT_MS, input });
  const manifest = JSON.stringify(deployment(name, replicas));
  const start = performance.now();
  await kubectl(['apply', '-f', '-'], manifest);
  const applied = performance.now();
  await kubectl(['rollout', 'status', `deployment/${name}`, `--timeout=${ROLLOUT_LIMIT_MS / 1000}s`]);
  const end = performance.now();
  return { rolledOut: (end - start) / 1000, afterApply: (end - applied) / 1000 };
}

async function serviceLatency(target: Target, name: string, before: string): Promise<ServiceLatency> {
  const path = '/api/v1/namespaces/default/services';
  const created = await ask<{ spec: { clusterIP: string } }>(target, 'POST', path, service(name, before));
  const start = performance.now();
  await firstConnect(created.spec.clusterIP, BETWEEN_ATTEMPTS_MS, GIVE_UP_MS);
  const milliseconds = performance.now() - start;
  await ask(target, 'DELETE', `${path}/${name}`);
  return { milliseconds };
}

/** Makes many overlapping attempts, since one that precedes the rules gets no response. */
async function firstConnect(host: string, betweenMs: number, giveUpMs: number): Promise<void> {
  using attempts = new DisposableStack();
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const attempt = (): void => {
    const socket = net.connect({ host, port: 80 }, resolve);
    // Too early: a later attempt will succeed.
    socket.on('error', () => socket.destroy());
    attempts.defer(() => socket.destroy());
  };
  attempt();
  const timer = setInterval(attempt, betweenMs);
  attempts.defer(() => clearInterval(timer));
  const late = delay(giveUpMs, 'late', { ref: false });
  if ((await Promise.race([connected, late])) === 'late') throw new Error(`no connection after ${giveUpMs} ms`);
}

async function createServices(target: Target, before: string, prefix: string, count: number): Promise<ServiceLatency> {
  const requests = Array.from({ length: count }, (_, index) =>
    requestBytes(
      target,
      'POST',
      '/api/v1/namespaces/default/services',
      JSON.stringify(service(`${prefix}-${index}`, before)),
    ),
  );
  await load(target, CONNECTIONS, 201, requests);
  const path = '/api/v1/namespaces/default/services';
  const last = await ask<{ spec: { clusterIP: string } }>(target, 'POST', path, service(`${prefix}-last`, before));
  const start = performance.now();
  await firstConnect(last.spec.clusterIP, SETTLE_ATTEMPTS_MS, SETTLE_MS);
  return { milliseconds: performance.now() - start };
}

const [command, first = '', second = '', third = '', fourth = '', fifth = ''] = process.argv.slice(2);
const target: Target = { host: '127.0.0.1', port: Number(first), token: second };
const answer =
  command === 'rollout'
    ? await rollout(first, second, Number(third))
    : command === 'service-latency'
      ? await serviceLatency(target, third, fourth)
      : command === 'create-services'
        ? await createServices(target, third, fourth, Number(fifth))
        : undefined;
if (answer === undefined) throw new Error(`there is no ${command}`);
console.log(JSON.stringify(answer));
