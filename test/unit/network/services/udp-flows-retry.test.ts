/** Deleting stale flows with a failing conntrack: a script that is first in PATH. */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { UdpFlows } from '../../../../agent/network/services/conntrack/conntrack.ts';
import { expectedFlows } from '../../../../agent/network/services/conntrack/udp-flows.ts';
import { entryOf } from '../../../support/service-entries.ts';

const SCRIPT = `#!/bin/sh
cd "$(dirname "$0")"
[ -e fail ] && { echo no memory >&2; exit 1; }
case $1 in
-L) cat table ;;
-D) echo "$*" >> deleted ;;
esac
`;
const FLOW =
  'udp 17 25 src=10.42.0.9 dst=10.43.0.10 sport=40000 dport=53 [UNREPLIED] src=10.42.0.2 dst=10.42.0.9 sport=5353 dport=40000\n';

test('flows of a Service that existed only while conntrack failed are deleted when it works again', async (t) => {
  const directory = t.testdir({ conntrack: SCRIPT, table: FLOW, fail: '', deleted: '' });
  await chmod(path.join(directory, 'conntrack'), 0o755);
  const { PATH = '' } = process.env;
  process.env.PATH = `${directory}:${PATH}`;
  t.teardown(() => (process.env.PATH = PATH));
  const { signal } = new AbortController();
  const flows = new UdpFlows('IPv4');
  const shape = { clusterIP: '10.43.0.10', protocol: 'UDP', port: 53, targetPort: 5353 } as const;

  await t.rejects(
    flows.reconcile(() => expectedFlows([entryOf({ ...shape, endpoints: ['10.42.0.2'] })]), signal),
    { message: /no memory/ },
  );
  await t.rejects(
    flows.reconcile(() => expectedFlows([]), signal),
    { message: /no memory/ },
  );
  await rm(path.join(directory, 'fail'));
  await flows.reconcile(() => expectedFlows([]), signal);
  const deleted = path.join(directory, 'deleted');
  t.match(await readFile(deleted, 'utf8'), /--orig-dst 10.43.0.10 --orig-port-dst 53 --reply-src 10.42.0.2/);

  await writeFile(deleted, '');
  await flows.reconcile(() => expectedFlows([]), signal);
  t.equal(await readFile(deleted, 'utf8'), '', 'compared Services are forgotten');
});
