/** The units under a real systemd: what `systemctl status` and the journal say of a server, and what becomes of one that hangs. */
import path from 'node:path';
import t from 'tap';
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
