import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { eventually } from '../../support/wait.ts';
import { runCommand, startCluster } from './cluster.ts';

const MEGABYTE = 1024 * 1024;
/** kubectl's switches to SPDY/3.1, which is all that kubectl 1.20 speaks. */
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };
/** What a command wrote, without what kubectl logs of its own: a client that is cut short in its input may complain. */
const withoutLogLines = (stderr: string): string => stderr.replaceAll(/^[EIW]\d{4} .*\n/gm, '');
const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

const cluster = await startCluster();
t.teardown(() => cluster[Symbol.asyncDispose]());
const pod = await cluster.runtime.startPod('demo', [
  { name: 'main', command: ['/bin/sh', '-c', 'exec httpd -f -p 8080 -h /www'] },
  { name: 'echo', command: ['/bin/sh', '-c', 'while read line; do echo "got $line"; done'], stdin: true },
  { name: 'quiet', command: ['/bin/sh', '-c', 'read line'], stdin: true, stdinOnce: true },
  { name: 'terminal', command: ['/bin/sh'], stdin: true, stdinOnce: true, tty: true },
]);
await cluster.addPod(pod);
const kubectl = cluster.kubectl.bind(cluster);
const main = ['demo', '-c', 'main'];

for (const [protocol, env] of [
  ['WebSocket', {}],
  ['SPDY', SPDY],
] as const) {
  t.test(`over ${protocol}, stdout, stderr and exit code are separate`, async (t) => {
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 7'];
    const { code, stdout, stderr } = await kubectl(['exec', ...main, '--', ...command], { env });
    t.equal(code, 7);
    t.equal(stdout.toString(), 'out\n');
    t.equal(stderr, 'err\ncommand terminated with exit code 7\n');
    const missing = await kubectl(['exec', ...main, '--', 'nosuch'], { env });
    t.equal(missing.code, 1);
    t.match(missing.stderr, /exec: "nosuch": executable file not found in \$PATH/);
    const empty = await kubectl(['exec', ...main, '--', 'true'], { env });
    t.strictSame([empty.code, empty.stdout.toString(), empty.stderr], [0, '', '']);
  });

  t.test(`over ${protocol}, commands may be long`, async (t) => {
    const long = 'a'.repeat(100_000);
    const { code, stdout, stderr } = await kubectl(['exec', ...main, '--', 'echo', long], { env });
    t.equal(code, 0, stderr);
    t.equal(stdout.toString(), `${long}\n`);
  });

  t.test(`over ${protocol}, 100 MB pass through a command and back intact`, async (t) => {
    const data = randomBytes(100 * MEGABYTE);
    const { code, stdout, stderr } = await kubectl(['exec', '-i', ...main, '--', 'cat'], { env, input: data });
    t.equal(code, 0, stderr);
    t.equal(stdout.length, data.length);
    t.equal(hash(stdout), hash(data));
  });

  t.test(`over ${protocol}, the end of stdin reaches the command`, async (t) => {
    const { stdout } = await kubectl(['exec', '-i', ...main, '--', 'sh', '-c', 'cat >/dev/null; echo over'], {
      env,
      input: 'some',
    });
    t.equal(stdout.toString(), 'over\n');
  });

  t.test(`over ${protocol}, a command that does not read stdin ends when it exits`, async (t) => {
    const script = 'echo out; sleep 0.3; echo err >&2; exit 7';
    // Less than the connections hold between them, so that the client has sent it all, and more.
    for (const megabytes of [1, 100]) {
      const input = Buffer.alloc(megabytes * MEGABYTE);
      const startedAt = Date.now();
      const { code, stdout, stderr } = await kubectl(['exec', '-i', ...main, '--', 'sh', '-c', script], { env, input });
      t.equal(code, 7);
      t.equal(stdout.toString(), 'out\n');
      t.equal(withoutLogLines(stderr), 'err\ncommand terminated with exit code 7\n');
      t.ok(Date.now() - startedAt < 10_000, `${megabytes} MB: ${Date.now() - startedAt} ms`);
    }
  });

  t.test(`over ${protocol}, files are copied in both directions`, async (t) => {
    const [there, back] = ['there', 'back'].map((name) => path.join(cluster.directory, `${protocol}-${name}`));
    const data = randomBytes(3 * MEGABYTE + 17);
    await writeFile(there ?? '', data);
    t.equal((await kubectl(['cp', there ?? '', `demo:/tmp/${protocol}`, '-c', 'main'], { env })).code, 0);
    t.equal((await kubectl(['cp', `demo:/tmp/${protocol}`, back ?? '', '-c', 'main'], { env })).code, 0);
    t.equal(hash(await readFile(back ?? '')), hash(data));
  });

  t.test(`over ${protocol}, terminal size and resizes`, async (t) => {
    const script = `
import fcntl, os, pty, select, signal, struct, sys, termios
def size(rows, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
def until(text):
    seen = b''
    while text not in seen:
        if not select.select([fd], [], [], 20)[0]: sys.exit('waited for %r, saw %r' % (text, seen))
        seen += os.read(fd, 65536)
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
size(41, 123)
until(b'# ')
os.write(fd, b'until [ "$(stty size)" = "41 123" ]; do sleep 0.05; done; echo fir""st\\n')
until(b'first')
size(52, 201)
os.kill(pid, signal.SIGWINCH)
os.write(fd, b'until [ "$(stty size)" = "52 201" ]; do sleep 0.05; done; echo sec""ond; exit 5\\n')
until(b'second')
try:
    while os.read(fd, 65536): pass
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
    const command = ['kubectl', '--kubeconfig', cluster.kubeconfigPath, 'exec', '-it', ...main, '--', 'sh'];
    const { code, stderr } = await runCommand('python3', ['-c', script, ...command], { env });
    t.equal(code, 5, stderr);
  });

  t.test(`over ${protocol}, attach to the container's main process`, async () => {
    const client = cluster.startKubectl(['attach', '-i', 'demo', '-c', 'echo'], { env });
    let seen = '';
    client.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    client.stdin.write('hello\n');
    await eventually('the echo', () => seen.includes('got hello\n'));
    client.stdin.write('again\n');
    await eventually('the second echo', () => seen.includes('got again\n'));
    client.kill();
    await once(client, 'close');
  });

  t.test(`over ${protocol}, port-forward with many concurrent connections`, async (t) => {
    await kubectl(['exec', ...main, '--', 'sh', '-c', 'head -c 50000000 /dev/zero >/www/zeros'], { env });
    const client = cluster.startKubectl(['port-forward', 'pod/demo', ':8080'], { env });
    const [line] = (await once(client.stdout, 'data')) as [Buffer];
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
    client.stdout.resume();
    const get = async (file: string): Promise<Buffer> =>
      Buffer.from(await (await fetch(`http://127.0.0.1:${port}/${file}`)).arrayBuffer());
    const all = await Promise.all([
      get('zeros'),
      get('index.html'),
      get('index.html'),
      get('zeros'),
      get('index.html'),
    ]);
    t.strictSame(
      all.map((body) => body.length),
      [50_000_000, 17, 17, 50_000_000, 17],
    );
    const halfClosed = connect(port, '127.0.0.1');
    halfClosed.end('GET /index.html HTTP/1.0\r\n\r\n');
    t.match(Buffer.concat(await halfClosed.toArray()).toString(), /Hello from Kedge/);
    client.kill();
    await once(client, 'close');
  });

  t.test(`over ${protocol}, a command that reads stdin ends when its client disconnects`, async () => {
    const client = cluster.startKubectl(['exec', '-i', ...main, '--', 'sh', '-c', 'echo on; cat; rm /tmp/mark'], {
      env,
    });
    await kubectl(['exec', ...main, '--', 'touch', '/tmp/mark'], { env });
    client.stdin.write('x');
    await once(client.stdout, 'data');
    client.kill('SIGKILL');
    await eventually('the end of the command', async () => {
      const { code } = await kubectl(['exec', ...main, '--', 'test', '-e', '/tmp/mark'], { env });
      return code === 1;
    });
  });
}

t.test('attach to a terminated container returns an error', async (t) => {
  const { code, stderr } = await kubectl(['attach', '-i', 'demo', '-c', 'quiet'], { input: 'end\n' });
  t.equal(code, 1);
  t.match(stderr, /the container has ended, and what it said before the attachment is in its log/);
});

t.test('attach that ends with its stdin leaves the container running', async (t) => {
  const { code, stderr } = await kubectl(['attach', '-i', 'demo', '-c', 'echo'], { input: '' });
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /the container has ended/);
});

t.test('attach to a terminal by a client without one is rejected', async (t) => {
  const { code, stderr } = await kubectl(['attach', '-i', 'demo', '-c', 'terminal'], { input: '' });
  t.equal(code, 1);
  t.match(stderr, /tty and stderr cannot both be true/);
});

t.test('a client that stops reading blocks the command and takes bounded memory', async (t) => {
  const client = cluster.startKubectl(['exec', ...main, '--', 'cat', '/dev/zero']);
  client.stdout.pause();
  const before = process.memoryUsage().rss;
  await once(client.stdout, 'readable');
  const read = async (): Promise<string> => {
    const { stdout } = await kubectl(['exec', ...main, '--', 'sh', '-c', 'grep rchar /proc/$(pidof cat)/io']);
    return stdout.toString();
  };
  // What is on its way settles when all buffers between are full.
  let last = '';
  await eventually('the command to wait', async () => {
    const before = last;
    last = await read();
    return last !== '' && last === before;
  });
  t.ok(process.memoryUsage().rss - before < 100 * MEGABYTE);
  client.kill('SIGKILL');
  await once(client, 'close');
});

/** Collects the output of each channel until the server closes. */
async function channels(webSocket: WebSocket, decode: (message: Buffer) => [number, Buffer]): Promise<string[]> {
  const seen: string[] = [];
  webSocket.on('message', (message: Buffer) => {
    const [channel, data] = decode(message);
    seen[channel] = (seen[channel] ?? '') + data.toString();
  });
  await once(webSocket, 'close');
  return seen;
}

const open = (target: string, protocol: string): WebSocket =>
  new WebSocket(`${cluster.server.replace('https', 'wss')}/api/v1/namespaces/default/pods/demo/${target}`, protocol, {
    ca: cluster.ca.certificate,
    cert: cluster.client.certificate,
    key: cluster.client.key,
  });

t.test('older WebSocket protocols are supported', async (t) => {
  const command =
    'exec?container=main&stdout=true&stderr=true&command=sh&command=-c&command=echo+out;echo+err>%262;exit+3';
  const binary = (message: Buffer): [number, Buffer] => [message[0] ?? -1, message.subarray(1)];
  const [, out, err, status] = await channels(open(command, 'v4.channel.k8s.io'), binary);
  t.equal(out, 'out\n');
  t.equal(err, 'err\n');
  t.match(JSON.parse(status ?? ''), {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  });
  const text = (message: Buffer): [number, Buffer] => {
    const line = message.toString();
    return [Number(line[0]), Buffer.from(line.slice(1), 'base64')];
  };
  const [, base64Out] = await channels(open(command, 'base64.channel.k8s.io'), text);
  t.equal(base64Out, 'out\n');
  const [, v5Out, , v5Status] = await channels(open(command, 'v5.channel.k8s.io'), binary);
  t.equal(v5Out, 'out\n');
  t.match(JSON.parse(v5Status ?? ''), { details: { causes: [{ message: '3' }] } });

  const forward = open('portforward?ports=8080', 'v4.channel.k8s.io');
  const answer = channels(forward, binary);
  await once(forward, 'open');
  forward.send(Buffer.concat([Buffer.from([0]), Buffer.from('GET /index.html HTTP/1.0\r\n\r\n')]));
  t.match((await answer)[0], /Hello from Kedge/);
});

t.test('errors are returned before the upgrade', async (t) => {
  const refusal = async (target: string): Promise<string> => {
    const webSocket = open(target, 'v5.channel.k8s.io');
    const [, response] = (await once(webSocket, 'unexpected-response')) as [unknown, AsyncIterable<Buffer>];
    let text = '';
    for await (const chunk of response) text += chunk.toString();
    return text;
  };
  t.match(
    await refusal('exec?command=ls&stdout=1'),
    /a container name must be specified for pod demo, choose one of: \[main echo quiet terminal\]/,
  );
  t.match(await refusal('exec?container=nope&command=ls&stdout=1'), /container nope is not valid for pod demo/);
  t.match(await refusal('exec?container=main&command=ls'), /you must specify at least 1 of stdin, stdout, stderr/);
  cluster.setState(pod, 'echo', { terminated: { exitCode: 1 } });
  t.match(await refusal('exec?container=echo&command=ls&stdout=1'), /container not found \("echo"\)/);
  const { stderr } = await kubectl(['exec', 'nopod', '--', 'ls']);
  t.match(stderr, /pods "nopod" not found/);
});
