/** Proxies as processes that can be killed, and what they do in the kernel. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import net from 'node:net';
import path from 'node:path';
import { mkdirSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import type { MemoryApi } from '../../support/memory-api.ts';
import type { ProxyArguments } from './proxy-process.ts';

export interface ProxyProcess {
  /** What it has logged. */
  readonly lines: readonly { readonly message: string }[];
  readonly pid: number;
  /** Resolves when it has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

function directoryOf(t: Test, name: string): string {
  const directory = path.join(t.testdirName, name);
  mkdirSync(directory, { recursive: true });
  t.teardown(() => rm(t.testdirName, { recursive: true, force: true }));
  return directory;
}

/** @param directory of programs that it is to find before the host's */
export function startProxyProcess(t: Test, api: MemoryApi, mode: ProxyMode, directory?: string): ProxyProcess {
  const args: ProxyArguments = { server: api.url, mode, dataDir: directoryOf(t, 'data') };
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'proxy-process.ts'), JSON.stringify(args)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(directory && { PATH: `${directory}:${process.env['PATH']}` }) },
  });
  const lines: { message: string }[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as { message: string }));
  const ended = once(child, 'exit');
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  t.teardown(() => end('SIGKILL'));
  return { lines, pid: child.pid!, end };
}

export interface ServiceShape {
  readonly clusterIP: string;
  readonly endpoints: readonly string[];
  readonly spec?: object;
  readonly protocol?: 'TCP' | 'UDP';
  readonly uid?: string;
}

/** Service and EndpointSlice of port 80, which is 8080 at its endpoints. */
export function putService(api: MemoryApi, name: string, shape: ServiceShape): void {
  const { clusterIP, spec, protocol = 'TCP' } = shape;
  api.put('services', {
    metadata: { name, namespace: 'default' },
    spec: { type: 'ClusterIP', clusterIP, ports: [{ name: 'web', port: 80, protocol }], ...spec },
  });
  putEndpoints(api, name, shape.endpoints, protocol);
}

export function putEndpoints(api: MemoryApi, name: string, endpoints: readonly string[], protocol = 'TCP'): void {
  api.put('endpointslices', {
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'web', port: 8080, protocol }],
    endpoints: endpoints.map((address) => ({ addresses: [address], nodeName: 'node-0' })),
  });
}

/** A program in front of the host's of the same name: `script` is what it does before. Returns the directory for PATH. */
export async function programBefore(t: Test, name: string, script: string): Promise<string> {
  const { stdout } = await run('sh', ['-c', `command -v ${name}`]);
  const directory = directoryOf(t, 'programs');
  const file = path.join(directory, name);
  await writeFile(file, `#!/bin/sh\n${script}\nexec ${stdout.trim()} "$@"\n`);
  await chmod(file, 0o755);
  return directory;
}

/** What a server says to a new connection; undefined for nothing within the limit. */
export function said(host: string, port = 80, limitMs = 1_000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: limitMs });
    const finish = (text: string | undefined): void => {
      resolve(text);
      socket.destroy();
    };
    socket.setEncoding('utf8').once('data', (text: string) => finish(text));
    socket.on('timeout', () => finish(undefined)).on('error', () => finish(undefined));
  });
}
