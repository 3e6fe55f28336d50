/** The units under a real systemd: what `systemctl status` and the journal say of a server, and what becomes of one that hangs. */
import path from 'node:path';
import t from 'tap';
import { run, type ProgramError, type RunResult } from '../../agent/host/run.ts';
import { canRunSystemd, FOLDER, SystemdHost } from '../support/systemd-host.ts';
import { eventually } from '../support/wait.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

if (!(await canRunSystemd())) {
  t.pass('', { skip: 'this needs systemd and cgroup v2 on the machine' });
  t.end();
  process.exit();
}
const stack = new AsyncDisposableStack();
t.teardown(() => stack.disposeAsync());
t.setTimeout(6 * 60_000);
const host = stack.use(await SystemdHost.create(`systemd-${process.pid}`, ROOT));
const UNIT = 'kedge-server.service';

/** As scripts/install.sh makes it, of what a server needs. Versions share one Node.js, for it to be quick. */
await host.sh(
  `mkdir -p /etc/kedge /usr/local/bin /usr/local/lib/kedge-versions/0.1.0-00000000
   cd /usr/local/lib
   cd kedge-versions/0.1.0-00000000
   mkdir bin
   printf '#!/bin/sh\\nexec %s/dist/bin/node "$@"\\n' "$1" >bin/node
   chmod +x bin/node
   cp -a "$1"/dist/kedge "$1"/dist/kedge.mjs "$1"/dist/chunks "$1"/dist/node_modules "$1"/dist/package.json "$1"/systemd .
   rm chunks/*.map
   cd /usr/local/lib
   ln -s kedge-versions/0.1.0-00000000 kedge
   ln -s /usr/local/lib/kedge/kedge /usr/local/bin/kedge
   printf 'data-dir: /var/lib/kedge/server\nadvertise-address: 192.0.2.1\ndisable: [ingress]\n' >/etc/kedge/server.yaml
   cp "$1"/systemd/kedge-server.service "$1"/systemd/kedge-upgrade.service /etc/systemd/system/
   systemctl daemon-reload
   systemctl enable --quiet kedge-server kedge-upgrade`,
  FOLDER,
);

t.test('a server is started when it is ready, and says what it does', async (t) => {
  await host.run('systemctl', ['start', UNIT]);
  await host.run('kubectl', [
    '--kubeconfig=/etc/kedge/admin.kubeconfig',
    '--cache-dir=/tmp/cache',
    'get',
    '--raw',
    '/readyz',
  ]);
  t.equal(await host.property(UNIT, 'ActiveState'), 'active');
  t.match(
    await host.property(UNIT, 'StatusText'),
    /^apiserver, scheduler, controllers running, https:\/\/127\.0\.0\.1:6443\/readyz is ok$/,
  );
});

/** What systemd has logged of the unit, and what the unit has, as the journal has it. */
async function journal(): Promise<{ MESSAGE: string; PRIORITY: string; _TRANSPORT: string }[]> {
  const { stdout } = await host.run('journalctl', ['--quiet', '-o', 'json', `_SYSTEMD_UNIT=${UNIT}`]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { MESSAGE: string; PRIORITY: string; _TRANSPORT: string });
}

t.test('the journal has the priority of each line, and the line as it was', async (t) => {
  const lines = await journal();
  t.ok(lines.length > 0);
  const priorities = new Map([
    ['info', '6'],
    ['warn', '4'],
    ['error', '3'],
  ]);
  for (const { MESSAGE, PRIORITY } of lines)
    t.equal(PRIORITY, priorities.get((JSON.parse(MESSAGE) as { level: string }).level), MESSAGE);
});

t.test('a reload renews what is missing while the server runs', async (t) => {
  const pid = await host.property(UNIT, 'MainPID');
  await host.sh('rm /var/lib/kedge/server/pki/apiserver.crt /etc/kedge/admin.kubeconfig; systemctl reload "$1"', UNIT);
  await eventually('a new serving certificate to be served', () =>
    host.sh(
      `openssl x509 -noout -fingerprint -in /var/lib/kedge/server/pki/apiserver.crt >/tmp/file 2>/dev/null || exit 0
       openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint >/tmp/served
       cmp -s /tmp/file /tmp/served && echo yes || true`,
    ),
  );
  await eventually('a new kubeconfig', () => host.sh('[ ! -s /etc/kedge/admin.kubeconfig ] || echo yes'));
  await eventually('the unit to be active', async () => (await host.property(UNIT, 'ActiveState')) === 'active');
  t.equal(await host.property(UNIT, 'MainPID'), pid);
});

t.test('a server that hangs is restarted by the watchdog', async (t) => {
  const pid = await host.property(UNIT, 'MainPID');
  await host.sh(
    `mkdir -p "/etc/systemd/system/$1.d"
     printf '[Service]\\nWatchdogSec=3\\nTimeoutAbortSec=1\\n' >"/etc/systemd/system/$1.d/watchdog.conf"
     systemctl daemon-reload
     systemctl restart "$1"`,
    UNIT,
  );
  const started = await host.property(UNIT, 'MainPID');
  t.not(started, pid);
  await host.run('kill', ['-STOP', started]);
  await eventually('systemd to restart it', async () => {
    const [now, state] = [await host.property(UNIT, 'MainPID'), await host.property(UNIT, 'ActiveState')];
    return now !== started && now !== '0' && state === 'active';
  });
  t.equal(await host.property(UNIT, 'NRestarts'), '1');
});

/** Makes a package of a version as scripts/package.ts does; `change` may change its files. Prints its path. */
const pack = (version: string, change = ':'): Promise<string> =>
  host
    .sh(
      `name=kedge-$1-linux-$2
     mkdir -p "/tmp/$name"
     cp -a /usr/local/lib/kedge-versions/0.1.0-00000000 "/tmp/$name/dist"
     mv "/tmp/$name/dist/systemd" "/tmp/$name/systemd"
     cd "/tmp/$name"
     sed -i "s/0\\.1\\.0/$1/" dist/package.json
     ${change}
     tar -C /tmp --owner=0 --group=0 -cf - "$name" | gzip -1 >"/tmp/$name.tar.gz"
     cd /tmp
     sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
     rm -r "/tmp/$name"
     echo "/tmp/$name.tar.gz"`,
      version,
      process.arch,
    )
    .then((words) => words.trim());
/** The folder of the version that the server runs. */
const running = async (): Promise<string> =>
  /versions\/([^/]+)\/kedge\.mjs/.exec(
    await host.sh('tr "\\0" " " <"/proc/$(systemctl show --property MainPID --value "$1")/cmdline"', UNIT),
  )?.[1] ?? '';
const answers = (): Promise<RunResult> =>
  host.run('kubectl', [
    '--kubeconfig=/etc/kedge/admin.kubeconfig',
    '--cache-dir=/tmp/cache',
    'get',
    '--raw',
    '/readyz',
  ]);
const upgrade = (...args: string[]) => host.run('kedge', ['upgrade', ...args]).catch((error: ProgramError) => error);
const versions = (): Promise<string> => host.sh('ls -A /usr/local/lib/kedge-versions');

t.test('a package that is damaged is refused before anything is changed', async (t) => {
  const file = '/tmp/damaged.tar.gz';
  await host.sh('cp "$1" "$2"; cp "$1.sha256" "$2.sha256"; printf x >>"$2"', await pack('0.2.0'), file);
  const before = await versions();
  t.match(await upgrade('--to', file), {
    exitCode: 1,
    stderr: /has the checksum sha256:\S+, not sha256:\S+: it is damaged/,
  });
  await host.sh('rm "$1.sha256"', file);
  t.match(await upgrade('--to', file), { exitCode: 1, stderr: /\.sha256 is missing/ });
  t.equal(await versions(), before);
});

t.test('an upgrade whose process is killed is ended by systemd, and the new version runs', async (t) => {
  const upgrading = upgrade('--to', `/tmp/kedge-0.2.0-linux-${process.arch}.tar.gz`);
  await eventually('the switch', async () => (await host.sh('readlink /usr/local/lib/kedge')).includes('0.2.0-'));
  await host.sh('kill -9 "$(systemctl show --property MainPID --value kedge-upgrade)"');
  await upgrading;
  await eventually('the upgrade to end', async () => (await versions()).includes('last-upgrade.json'), 120);
  t.match(await running(), /^0\.2\.0-[0-9a-f]{8}$/);
  t.equal((await answers()).stdout, 'ok');
  t.match((await host.run('kedge', ['upgrade'])).stdout, /^kedge: 0\.2\.0-\S+ runs, and 0\.1\.0-00000000 ran before$/m);
  t.notMatch(await versions(), /upgrade\.json(?<!last-upgrade\.json)|incoming/, 'nothing is left half done');
});

t.test('the version before runs again when that is asked for', async (t) => {
  t.match(await upgrade('--back'), { stdout: /0\.1\.0-00000000 runs; kedge upgrade --back goes back to 0\.2\.0-/ });
  t.equal(await running(), '0.1.0-00000000');
});

t.test('a version that does not become healthy gives way to the one before, and it is said why', async (t) => {
  const broken = `printf '#!/bin/sh\\n[ "$1" = version ]\\n' >dist/kedge`;
  const file = await pack('0.3.0', broken);
  t.match(await upgrade('--to', file, '--healthy-within', '3'), {
    exitCode: 1,
    stderr:
      /^kedge: 0\.3\.0-\S+ was not well, so that 0\.1\.0-00000000 runs again, which is well\. The reason: kedge-server\.service is /,
  });
  t.equal(await running(), '0.1.0-00000000');
  t.equal((await answers()).stdout, 'ok');
  t.notMatch(await versions(), '0.3.0', 'only the last two are kept');
});

t.test('a server that is stopped ends in time, with success', async (t) => {
  await host.run('systemctl', ['stop', UNIT]);
  t.equal(await host.property(UNIT, 'Result'), 'success');
  t.equal(await host.property(UNIT, 'ActiveState'), 'inactive');
});

t.test('objects move to an etcd that Kedge runs, by the commands of docs/etcd.md', async (t) => {
  const kubectl = (...args: string[]): Promise<RunResult> =>
    host.run('kubectl', ['--kubeconfig=/etc/kedge/admin.kubeconfig', '--cache-dir=/tmp/cache', ...args]);
  await host.sh(
    `ip address add 192.0.2.1/32 dev lo
     cp "$1/systemd/kedge-etcd.service" /etc/systemd/system/
     systemctl daemon-reload
     systemctl start "$2"`,
    ...[FOLDER, UNIT],
  );
  await kubectl('create', 'configmap', 'moved');
  const uid = async (): Promise<string> =>
    (await kubectl('get', 'configmap', 'moved', '-o', 'jsonpath={.metadata.uid}')).stdout;
  const before = await uid();
  await host.sh(
    `systemctl stop "$1"
     echo 'etcd: managed' >>/etc/kedge/server.yaml
     systemctl enable kedge-etcd && systemctl start kedge-etcd
     kedge store migrate --from embedded --to etcd
     systemctl start "$1"`,
    UNIT,
  );
  t.equal(await uid(), before);
  t.match((await host.run('kedge', ['server', 'status'])).stdout, /^192\.0\.2\.1 +leader /m);
  await host.run('systemctl', ['restart', 'kedge-etcd']);
  await kubectl('annotate', 'configmap', 'moved', 'after=restart');
  await host.run('systemctl', ['stop', UNIT, 'kedge-etcd']);
  t.equal(await host.property('kedge-etcd', 'Result'), 'success');
});

t.test("the exposure of the server's units stays low", async (t) => {
  for (const name of ['server', 'etcd']) {
    const unit = path.join(ROOT, `systemd/kedge-${name}.service`);
    const { stdout } = await run('systemd-analyze', [
      'security',
      '--no-pager',
      '--offline=yes',
      '--threshold=30',
      unit,
    ]);
    t.match(stdout, `Overall exposure level for kedge-${name}.service`);
  }
});

t.test('units have no mistakes that systemd ignores', async (t) => {
  const files = ['server', 'etcd', 'agent', 'containerd', 'upgrade'].map(
    (name) => `${FOLDER}/systemd/kedge-${name}.service`,
  );
  const { stderr } = await host.run('systemd-analyze', ['verify', '--man=no', ...files]);
  t.equal(stderr, '');
});

t.test('what the agent and containerd have started outlives a restart of their units', async (t) => {
  for (const name of ['kedge-agent', 'kedge-containerd']) {
    await host.sh(
      `cp "$1/systemd/$2.service" /etc/systemd/system/
       mkdir -p "/etc/systemd/system/$2.service.d"
       printf '[Unit]\\nWants=\\n[Service]\\nNotifyAccess=all\\nExecStart=\\nExecStart=/bin/sh -c "%s"\\n' \\
         'sleep infinity & echo $! >/run/shim; systemd-notify --ready; exec sleep infinity' >"/etc/systemd/system/$2.service.d/program.conf"
       systemctl daemon-reload
       systemctl start "$2"
       cp /run/shim /run/first`,
      ...[FOLDER, name],
    );
    const pid = await host.property(name, 'MainPID');
    await host.run('systemctl', ['restart', name]);
    t.not(await host.property(name, 'MainPID'), pid, name);
    t.equal(await host.sh('kill -0 "$(cat /run/first)" && echo lives'), 'lives\n', name);
    await host.run('systemctl', ['kill', '--kill-who=main', '--signal=KILL', name]);
    await eventually(`${name} to be started again`, async () => (await host.property(name, 'NRestarts')) === '1');
    t.equal(await host.sh('kill -0 "$(cat /run/first)" && echo lives'), 'lives\n', `${name} after kill -9`);
    await host.run('systemctl', ['stop', name]);
  }
});

t.test('a shutdown of the host waits for its pods, by a lock of logind', async (t) => {
  const said = (): Promise<string> => host.sh('cat /run/pods/said 2>/dev/null || true');
  await host.sh(
    `rm /etc/systemd/system/systemd-logind.service
     systemctl daemon-reload
     systemctl start systemd-logind
     mkdir /run/pods
     systemd-run --quiet --unit=agent "$1/dist/bin/node" "$1/test/e2e/shutdown-inside.ts" /run/pods 30`,
    FOLDER,
  );
  await eventually('the lock', async () => (await said()).includes('locked'));
  t.match(await said(), 'allowed 30', 'logind waits longer than it does by default');
  t.match((await host.run('systemd-inhibit', ['--list', '--no-pager'])).stdout, /^kedge .* shutdown .* delay/m);
  await host.run('systemctl', ['poweroff', '--no-block']);
  await eventually('the pod to be terminated', async () => (await said()).includes('end web in 30 s'));
  t.match(await said(), 'shutting down');
  t.equal((await host.run('true', [])).stdout, '', 'the host is still there');
  await host.sh('touch /run/pods/ended');
  await eventually('the host to be gone', () =>
    host.run('true', []).then(
      () => false,
      () => true,
    ),
  );
});
