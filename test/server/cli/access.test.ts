/** `kedge access who-can` as a process, against a real api-server, with the rights of who asks. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'tap';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { WITHOUT_TAP } from '../../support/daemon.ts';
import { createAll, startServer } from '../apiserver-auth/fixture.ts';

const PROGRAM = path.join(import.meta.dirname, '../../../cli/main.ts');
const RBAC = 'rbac.authorization.k8s.io';

async function kedge(kubeconfig: string, ...args: string[]) {
  const [program, ...without] = WITHOUT_TAP;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, 'access', 'who-can'];
  const child = spawn(program, [...without, ...node, ...args, '--kubeconfig', kubeconfig], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const [closed, stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { code: Number(closed[0]), stdout, stderr };
}

test('who may, as far as the one who asks may know it', async (t) => {
  const { core, url, pki, directory } = await startServer(t);
  await createAll(core, roles, {
    metadata: { namespace: 'default', name: 'auditor' },
    rules: [{ verbs: ['list'], apiGroups: [RBAC], resources: ['rolebindings', 'roles'] }],
  });
  await createAll(
    core,
    roleBindings,
    {
      metadata: { namespace: 'default', name: 'auditors' },
      roleRef: { apiGroup: RBAC, kind: 'Role', name: 'auditor' },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: 'alice' }],
    },
    {
      metadata: { namespace: 'default', name: 'odd' },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'edit' },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: 'red\u001b[31m' }],
    },
  );
  await createAll(core, clusterRoleBindings, {
    metadata: { name: 'viewers' },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'kube-system', name: 'dashboard' }],
  });
  const as = async (token: string): Promise<string> => {
    const file = path.join(directory, `${token}.kubeconfig`);
    const cluster = { server: url, 'certificate-authority-data': Buffer.from(pki.ca.certificate).toString('base64') };
    await writeFile(
      file,
      JSON.stringify({
        'current-context': 'c',
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user: { token } }],
      }),
    );
    return file;
  };
  const [admin, alice] = [await as('admin-token'), await as('alice-token')];
  const [json, listed, asAlice, nowhere, misspelt] = await Promise.all([
    kedge(admin, 'list', 'cm', '-o', 'json'),
    kedge(admin, 'update', 'deploy/scale'),
    kedge(alice, 'list', 'rolebindings'),
    kedge(alice, 'list', 'roles', '-n', 'kube-system'),
    kedge(admin, 'get', 'podz'),
  ]);
  const { holders, question } = JSON.parse(json.stdout) as { holders: object[]; question: object };
  t.match(question, { group: '', resource: 'configmaps', namespace: 'default' });
  t.match(
    holders.find((holder) => JSON.stringify(holder).includes('dashboard')),
    {
      subject: { kind: 'ServiceAccount', name: 'dashboard', namespace: 'kube-system' },
      binding: { kind: 'ClusterRoleBinding', name: 'viewers' },
      role: { kind: 'ClusterRole', name: 'view' },
    },
  );
  t.match(listed.stdout, /^KIND +SUBJECT +BY +ROLE$/m);
  t.match(
    listed.stdout,
    /^User +red \[31m +RoleBinding\/default\/odd +ClusterRole\/edit$/m,
    'nothing moves the cursor',
  );
  t.notMatch(listed.stdout, /dashboard/);
  t.match(asAlice.stdout, /^User +alice +RoleBinding\/default\/auditors +Role\/default\/auditor$/m);
  t.match(asAlice.stderr, /there may be others: your rights do not allow to list clusterroles, clusterrolebindings/);
  t.equal(asAlice.code, 0);
  t.equal(nowhere.code, 1);
  t.match(nowhere.stderr, /^kedge: clusterroles\.rbac\.authorization\.k8s\.io is forbidden/);
  t.match(misspelt.stderr, /^kedge: the cluster has no resource "podz"; did you mean pods\?/);
});
