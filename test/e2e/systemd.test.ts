/** The units under a real systemd: what `systemctl status` and the journal say of a server, and what becomes of one that hangs. */
import path from 'node:path';
import t from 'tap';
import { run } from '../../agent/host/run.ts';
import { canRunSystemd, FOLDER, SystemdHost } from '../support/systemd-host.ts';
import { eventually } from '../support/wait.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

t.setTimeout(3 * 60_000);
if (!(await canRunSystemd())) t.bailout('systemd and a mounted cgroup v2 are needed');
const stack = new AsyncDisposableStack();
t.teardown(() => stack.disposeAsync());
const host = stack.use(await SystemdHost.create(`systemd-${process.pid}`, ROOT));
const UNIT = 'kedge-server.service';

await host.sh(
  `mkdir -p /etc/kedge /usr/local/bin
   ln -s "$1/dist/kedge" /usr/local/bin/kedge
   printf 'data-dir: /var/lib/kedge/server\\nadvertise-address: 192.0.2.1\\ndisable: [ingress]\\n' >/etc/kedge/server.yaml
   cp "$1/systemd/kedge-server.service" /etc/systemd/system/
   systemctl daemon-reload`,
  FOLDER,
);

t.test('a server is started when it is ready, and says what it does', async (t) => {
  await host.run('systemctl', ['start', UNIT]);
  await host.run('kubectl', ['--kubeconfig=/etc/kedge/admin.kubeconfig', '--cache-dir=/tmp/cache', 'get', '--raw', '/readyz']);
  t.equal(await host.property(UNIT, 'ActiveState'), 'active');
  t.match(await host.property(UNIT, 'StatusText'), /^apiserver, scheduler, controllers running, https:\/\/127\.0\.0\.1:6443\/readyz is ok$/);
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

t.test('a server that is stopped ends in time, with success', async (t) => {
  await host.run('systemctl', ['stop', UNIT]);
  t.equal(await host.property(UNIT, 'Result'), 'success');
  t.equal(await host.property(UNIT, 'ActiveState'), 'inactive');
});

t.test("the exposure of the server's unit stays low", async (t) => {
  const unit = path.join(ROOT, 'systemd/kedge-server.service');
  const { stdout } = await run('systemd-analyze', ['security', '--no-pager', '--offline=yes', '--threshold=30', unit]);
  t.match(stdout, 'Overall exposure level for kedge-server.service');
});

t.test('units have no mistakes that systemd ignores', async (t) => {
  const files = ['server', 'agent', 'containerd'].map((name) => `${FOLDER}/systemd/kedge-${name}.service`);
  const { stderr } = await host.run('systemd-analyze', ['verify', '--man=no', ...files]);
  t.equal(stderr, '');
});
