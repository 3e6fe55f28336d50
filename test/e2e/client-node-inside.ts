/**
 * Sessions of `@kubernetes/client-node` with a pod of the hello image, from the network of a node: `sessions.test.ts` runs it there.
 * Usage: client-node-inside.ts KUBECONFIG POD; prints what the sessions have brought, as JSON.
 */
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Attach, Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node';

const NAMESPACE = 'default';
const [kubeconfig = '', pod = ''] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(kubeconfig);

/** Runs a command to its end. */
async function exec(command: string[], input?: string): Promise<{ stdout: string; stderr: string; status: V1Status }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const stdin = input === undefined ? null : Readable.from([input]);
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(config).exec(NAMESPACE, pod, 'web', command, stdout, stderr, stdin, false, resolve).catch(reject);
  });
  for (const stream of [stdout, stderr]) stream.end();
  return { stdout: await text(stdout), stderr: await text(stderr), status };
}

async function log(): Promise<string> {
  const stream = new PassThrough();
  await new Log(config).log(NAMESPACE, pod, 'web', stream, { tailLines: 1, timestamps: true });
  return text(stream);
}

/** What the main process writes next while attached to; the httpd of the image logs to stderr. */
async function attach(): Promise<string> {
  const stderr = new PassThrough();
  const socket = await new Attach(config).attach(NAMESPACE, pod, 'web', null, stderr, null, false);
  const [line] = (await once(stderr, 'data')) as [Buffer];
  socket.close();
  return line.toString();
}

/** A page of the pod, by way of a forwarded port. */
async function forward(): Promise<string> {
  const forwarder = new PortForward(config);
  const server = net.createServer((socket) => {
    forwarder.portForward(NAMESPACE, pod, [8080], socket, null, socket).catch((error: Error) => socket.destroy(error));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(http.get({ host: '127.0.0.1', port, agent: false }), 'response')) as [
    http.IncomingMessage,
  ];
  const page = await text(response);
  server.close();
  return page;
}

const ran = await exec(['sh', '-c', 'echo out; echo err >&2; exit 7']);
const piped = await exec(['cat'], 'through the pipe');
console.log(JSON.stringify({ ran, piped, log: await log(), page: await forward(), attached: await attach() }));
// Forwarded ports keep their connections.
process.exit();
