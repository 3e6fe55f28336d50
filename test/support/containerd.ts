/**
 * A containerd per test: its own root, state and socket, a network namespace with a pod bridge, the images that every node
 * carries, a parent cgroup. Disposing of it kills what still runs in it and removes everything.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PAUSE_IMAGE } from '../../agent/images/bundled.ts';
import { run } from '../../agent/host/run.ts';
import { buildImages } from '../../scripts/images.ts';
import { platformOf } from '../../scripts/platform.ts';
import { endProcesses, makeOwnDirectory, removeTraces } from './own-directory.ts';
import { eventually } from './wait.ts';

export interface ContainerdOptions {
  /** Prefix of all names: the tested room. */
  readonly name: string;
  /** Makes the streaming server reachable from the test's process: on the namespace's end of a veth pair. */
  readonly reachable?: boolean;
  /** Keeps the pods' network namespaces where `ip netns` does, as containerd does by default. */
  readonly sharesNetns?: boolean;
}

export interface TestContainerd extends AsyncDisposable {
  readonly socket: string;
  /** The network namespace of containerd and the pods' bridge; enter it with `nsenter --net=<path>`. */
  readonly netns: string;
  /** The test's own address on the link to it (`reachable`). */
  readonly hostAddress: string;
  /** For the agent's `cgroup-root` setting. */
  readonly cgroupParent: string;
  /** A directory for the test, removed at the end. */
  readonly directory: string;
  /** The archives of the carried images: `pause.tar`, `hello.tar`. */
  readonly imageDirectory: string;
  importImage(archive: string): Promise<void>;
  /** Runs `ctr` against it, in the CRI's namespace. */
  ctr(...args: string[]): Promise<string>;
  /** Restarts containerd; its containers keep running. */
  restart(): Promise<void>;
}

const READY_LIMIT_SECONDS = 60;
const CNI_BIN = '/usr/lib/cni';
const POD_SUBNET = '10.88.0.0/16';

const config = (directory: string, streamAddress: string, sharesNetns: boolean) => `version = 2
root = "${directory}/root"
state = "${directory}/state"
imports = []
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = ${!sharesNetns}
  stream_server_address = "${streamAddress}"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${CNI_BIN}"
  conf_dir = "${directory}/cni"
`;

const network = (directory: string) =>
  JSON.stringify({
    cniVersion: '0.4.0',
    name: 'test',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods0',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: `${directory}/ipam`,
          ranges: [[{ subnet: POD_SUBNET }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  });

export async function startContainerd({
  name,
  reachable = false,
  sharesNetns = false,
}: ContainerdOptions): Promise<TestContainerd> {
  const directory = await makeOwnDirectory(name);
  const id = path.basename(directory);
  const socket = socketIn(directory);
  const netns = `/run/netns/${id}`;
  const imageDirectory = path.join(directory, 'images');
  await mkdir(path.join(directory, 'cni'));
  await writeFile(path.join(directory, 'cni/10-test.conflist'), network(directory));
  await run('ip', ['netns', 'add', id]);
  await run('nsenter', [`--net=${netns}`, 'ip', 'link', 'set', 'lo', 'up']);
  const link = reachable ? await linkToHost(id) : { outside: '', inside: '127.0.0.1' };
  await writeFile(configIn(directory), config(directory, link.inside, sharesNetns));
  const ctr = async (...args: string[]) =>
    (await run('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], { timeoutMs: 60_000 })).stdout;
  const importImage = async (archive: string) => {
    await ctr('images', 'import', archive);
  };
  const [started] = await Promise.all([start(directory, netns), buildImages(imageDirectory, await platformOf())]);
  let child = started;
  await untilReady(ctr, child);
  for (const archive of await readdir(imageDirectory)) await importImage(path.join(imageDirectory, archive));
  return {
    socket,
    netns,
    hostAddress: link.outside,
    cgroupParent: id,
    directory,
    imageDirectory,
    importImage,
    ctr,
    async restart() {
      await end(child);
      child = await start(directory, netns);
      await untilReady(ctr, child);
    },
    async [Symbol.asyncDispose]() {
      await endProcesses(shimsOf(socket));
      await end(child);
      await removeTraces(directory);
    },
  };
}

const socketIn = (directory: string): string => path.join(directory, 'containerd.sock');
const configIn = (directory: string): string => path.join(directory, 'config.toml');

/**
 * Connects the namespace to the host by a veth pair, which is removed with the namespace; returns the addresses of both
 * ends.
 */
async function linkToHost(netns: string): Promise<{ outside: string; inside: string }> {
  // A /30 of 198.18.0.0/15, which is reserved for benchmarks and tests (RFC 2544).
  const network = `198.${randomInt(18, 20)}.${randomInt(256)}`;
  const first = randomInt(64) * 4;
  const [outside, inside] = [`${network}.${first + 1}`, `${network}.${first + 2}`];
  const link = `kt-${netns.slice(-6)}`;
  await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'host0', 'netns', netns]);
  await run('ip', ['address', 'add', `${outside}/30`, 'dev', link]);
  await run('ip', ['link', 'set', link, 'up']);
  await run('ip', ['-n', netns, 'address', 'add', `${inside}/30`, 'dev', 'host0']);
  await run('ip', ['-n', netns, 'link', 'set', 'host0', 'up']);
  return { outside, inside };
}

async function start(directory: string, netns: string): Promise<ChildProcess> {
  const child = spawn('nsenter', [`--net=${netns}`, 'containerd', '--config', configIn(directory)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-2_000)));
  child.on('exit', (code) => code !== 0 && code !== null && console.error(`containerd ended with ${code}: ${words}`));
  return child;
}

async function untilReady(ctr: (...args: string[]) => Promise<string>, child: ChildProcess): Promise<void> {
  const hasEnded = (): boolean => child.exitCode !== null;
  const answers = async (): Promise<true> => ctr('version').then(() => true);
  await eventually('containerd to answer', () => hasEnded() || answers(), READY_LIMIT_SECONDS);
  if (hasEnded()) throw new Error(`containerd has ended with code ${child.exitCode}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** The shims of a containerd: their command line has its socket. */
const shimsOf =
  (socket: string) =>
  (words: readonly string[]): boolean =>
    (words[0]?.includes('containerd-shim') ?? false) && words.includes(socket);
