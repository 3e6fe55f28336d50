/** The web console in a real browser, on a cluster with one real node. */
import path from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Deployment } from '../../api/types/apps/v1.gen.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import { openConsole, startBrowser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE, pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(8 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-console' });
cluster.endWith(t);
const browser = await startBrowser({ directory: cluster.directory, netns: (await cluster.addOutsider()).netns });
t.teardown(() => browser.close());
const SERVER = `https://${cluster.host.ip}:6443`;

const tokenOf = async (...args: string[]): Promise<string> => {
  const all = ['console', 'token', '--kubeconfig', cluster.kubeconfig, ...args];
  return (await cluster.host.run(cluster.kedge, all)).stdout.trim();
};

/** Where to save pictures of the pages, those of docs/console.md among them; nowhere by default. */
const PICTURES = process.env['KEDGE_CONSOLE_PICTURES'];

async function picture(name: string): Promise<void> {
  if (PICTURES === undefined) return;
  const size = page.viewportSize();
  await page.setViewportSize({ width: 980, height: 580 });
  await page.screenshot({ path: path.join(PICTURES, `console-${name}.png`) });
  if (size) await page.setViewportSize(size);
}

/** Text that would do something if it were taken for markup, a script, or a command of a terminal. */
const MARKUP = '<img src=x onerror="window.wasHacked=true"><script>window.wasHacked=true</script>';
const LOG = `echo '${MARKUP}'; printf '\\033]0;hacked\\007\\033[31mred\\033[0m \\033]8;;javascript:window.wasHacked=true\\007link\\033]8;;\\007\\n'; echo ready`;

await cluster.apply(pod('noisy', { command: ['sh', '-c', `${LOG}; exec sleep 100000`] }, {}));
await cluster.apply({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', annotations: { note: MARKUP } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: HELLO_IMAGE, command: ['sleep', '100000'] }],
      },
    },
  },
});
await cluster.kubectl('wait', '--for=condition=Ready', 'pod/noisy', '--timeout=60s');

const admin = await openConsole(browser, SERVER);
const { page } = admin;
const button = (name: string, within: Page = page) => within.getByRole('button', { name, exact: true });
const dialog = page.getByRole('dialog');

t.test('a wrong token is refused, and the right one shows pods as they come and go', async (t) => {
  await page.getByLabel('Bearer token').fill('wrong');
  await button('Log in').click();
  await page.getByText('does not accept this token').waitFor();
  await picture('login');
  t.equal(await page.evaluate(() => sessionStorage.getItem('kedge-console-token')), null);
  await admin.logIn(await tokenOf());
  await admin.go('list/core/v1/pods?namespace=default');
  await page.getByRole('row', { name: /noisy.*Running/ }).waitFor();
  await cluster.apply(pod('comes'));
  const row = page.getByRole('row', { name: /comes/ });
  await row.getByText('Running').waitFor();
  await page.getByLabel('Filter').fill('noisy');
  await row.waitFor({ state: 'detached' });
  await page.getByLabel('Filter').fill('');
  await row.waitFor();
  await cluster.kubectl('delete', 'pod', 'comes', '--wait=false');
  await row.waitFor({ state: 'detached' });
  t.equal(await page.evaluate(() => Object.keys(localStorage).some((key) => key.includes('token'))), false);
});

t.test('a list is used with the keyboard alone', async (t) => {
  await admin.go('list/core/v1/pods?namespace=default');
  await page.getByRole('row', { name: /noisy/ }).waitFor();
  // Leaves the field that the last test has typed in.
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.type('noisy');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'noisy', level: 1 }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Pod', level: 1 }).waitFor();
  await page.keyboard.press('?');
  await dialog.getByText('move in the list').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  t.match(page.url(), /#\/list\/core\/v1\/pods/);
});

t.test('a log is searched, and a terminal runs a command; what containers print does nothing else', async (t) => {
  await admin.go('object/core/v1/pods/default/noisy/logs');
  await page.getByText(MARKUP).waitFor();
  await page.getByText('red link', { exact: true }).waitFor();
  await page.getByLabel('Search').fill('ready');
  await page.getByText('1 of 3 lines').waitFor();
  await admin.go('object/core/v1/pods/default/noisy/terminal');
  await button('Connect').click();
  await page.locator('.xterm-helper-textarea').waitFor();
  await page.getByText('Connecting').waitFor({ state: 'detached' });
  await page.keyboard.type(`${LOG}; echo $((40 + 2))\n`);
  await page
    .locator('.xterm-rows')
    .getByText(/^42\s*$/)
    .waitFor();
  await picture('terminal');
  await page.keyboard.type('exit 3\n');
  await page.getByText('The session has ended.').waitFor();
  t.equal(await page.title(), 'Kedge');
  t.equal(await page.evaluate(() => 'wasHacked' in globalThis), false);
});

/** Replaces a line of the editor. */
async function edit(line: string, text: string): Promise<void> {
  await page.locator('.cm-line').filter({ hasText: line }).first().click();
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+End');
  await page.keyboard.type(text);
}

const webDeployment = (): Promise<Deployment> => cluster.get<Deployment>('deployment', 'web', '--show-managed-fields');

t.test('an edit is compared and applied; one of a field that another manager owns names it first', async (t) => {
  await admin.go('object/apps/v1/deployments/default/web/yaml');
  await edit('revisionHistoryLimit: 10', 'revisionHistoryLimit: 7');
  await button('Check and save').click();
  // Client-side apply owns what was in its manifest; the rest are defaults, which it owns, too.
  await dialog.getByText('conflict with "kubectl-client-side-apply"').waitFor();
  await picture('conflict');
  await button('Take over these fields').click();
  await dialog.getByText('+   revisionHistoryLimit: 7').waitFor();
  await picture('diff');
  await button('Save').click();
  await page.getByText('Saved.').waitFor();
  const { spec, metadata } = await webDeployment();
  t.equal(spec?.revisionHistoryLimit, 7);
  t.match(metadata?.managedFields?.find(({ manager }) => manager === 'kedge-console')?.fieldsV1, {
    'f:spec': { 'f:revisionHistoryLimit': {} },
  });
  await edit('revisionHistoryLimit: 7', 'revisionHistoryLimi: 7');
  await button('Check and save').click();
  await page.getByText(/revisionHistoryLimi: field not declared in schema/).waitFor();
  await button('Discard changes').click();
  await page.getByText(MARKUP).first().waitFor();
});

t.test('a Deployment is scaled, restarted and rolled back', async (t) => {
  await admin.go('object/apps/v1/deployments/default/web');
  await button('Scale').click();
  await page.getByLabel('Replicas').fill('2');
  await dialog.getByRole('button', { name: 'Scale' }).click();
  await dialog.waitFor({ state: 'detached' });
  t.equal((await webDeployment()).spec?.replicas, 2);
  await button('Restart').click();
  await dialog.getByRole('button', { name: 'Restart' }).click();
  await dialog.waitFor({ state: 'detached' });
  const restarted = (deployment: Deployment): string | undefined =>
    deployment.spec?.template.metadata?.annotations?.['kubectl.kubernetes.io/restartedAt'];
  t.ok(restarted(await webDeployment()));
  await eventually(
    'a second revision',
    async () => (await cluster.get<{ items: unknown[] }>('rs', '-l', 'app=web')).items.length > 1,
  );
  await button('Roll back').click();
  await page.getByLabel('Revision 1,').check();
  await dialog.getByRole('button', { name: 'Roll back' }).click();
  await dialog.waitFor({ state: 'detached' });
  t.equal(restarted(await webDeployment()), undefined);
});

t.test('who may only view sees nothing that would be refused', async (t) => {
  await using viewer = await openConsole(browser, SERVER);
  await viewer.logIn(await tokenOf('--user', 'viewer', '--role', 'view'));
  const menu = viewer.page.getByRole('navigation');
  await menu.getByRole('link', { name: 'ConfigMap', exact: true }).waitFor();
  for (const name of ['Secret', 'Node', 'ClusterRole'])
    t.equal(await menu.getByRole('link', { name, exact: true }).count(), 0, name);
  await viewer.go('object/core/v1/pods/default/noisy');
  await viewer.page.getByRole('link', { name: 'Logs' }).waitFor();
  await viewer.page.getByRole('link', { name: 'YAML' }).click();
  await viewer.page.getByText('You may not change this object.').waitFor();
  for (const name of ['Delete', 'Scale', 'Check and save'])
    t.equal(await viewer.page.getByRole('button', { name, exact: true }).count(), 0, name);
  t.equal(await viewer.page.getByRole('link', { name: 'Terminal' }).count(), 0);
  t.strictSame(viewer.complaints, []);
});

t.test('objects are created from YAML, found by those that they belong to, and deleted with them', async (t) => {
  await admin.go('create');
  await page.locator('.cm-content').click();
  // As a paste: typing would be indented.
  await page.keyboard.insertText(
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: made\ndata:\n  key: <b>bold</b>\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: hidden\nstringData:\n  password: hunter2\n',
  );
  await button('Check and apply').click();
  await page.getByRole('link', { name: 'made' }).click();
  await page.getByText('<b>bold</b>').waitFor();
  await admin.go('object/core/v1/secrets/default/hidden');
  await page.getByText('7 bytes').waitFor();
  t.equal(await page.getByText('hunter2').count(), 0);
  await button('Show the values').click();
  await page.getByText('hunter2').waitFor();
  await admin.go('object/apps/v1/deployments/default/web/related');
  await page.getByText('Selected pods').waitFor();
  await page.getByRole('listitem').getByRole('link', { name: /^web-/ }).first().waitFor();
  await button('Delete').click();
  await dialog
    .getByText(/^Pod web-/)
    .first()
    .waitFor();
  await picture('delete');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('This object has been deleted.').waitFor();
  await eventually(
    'its pods to be gone',
    async () => (await cluster.get<{ items: unknown[] }>('pods', '-l', 'app=web')).items.length === 0,
  );
});

/** Places, and what is there when they are complete. */
const PAGES = [
  ['', '.tile'],
  ['list/core/v1/pods', '.row:not(.head)'],
  ['object/core/v1/pods/default/noisy', '.panel'],
  ['object/core/v1/pods/default/noisy/logs', '.log-line'],
  ['object/core/v1/pods/default/noisy/yaml', '.cm-line'],
  ['create', '.cm-content'],
] as const;
const AA = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

t.test('pages meet WCAG 2.2 AA in both themes, as far as axe can tell', async (t) => {
  await page.evaluate(axe.source);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [place, complete] of PAGES) {
      await admin.go(place);
      await page.locator(complete).first().waitFor();
      // The themes differ in their colours.
      const rules = colorScheme === 'light' ? AA : ['color-contrast'];
      const found = await page.evaluate(async (runOnly) => {
        const run = (globalThis as unknown as { axe: typeof axe }).axe;
        const { violations } = await run.run({ runOnly });
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
      }, rules);
      t.strictSame(found, [], `${colorScheme} ${place}`);
      await picture(`${place.split('/').slice(-2).join('-') || 'overview'}-${colorScheme}`);
    }
  }
});

t.test('a node is drained', async (t) => {
  const node = cluster.host.name;
  await admin.go(`object/core/v1/nodes/-/${node}`);
  await button('Drain').click();
  await dialog.getByText('default/noisy').waitFor();
  await picture('drain');
  await dialog.getByRole('button', { name: 'Drain' }).click();
  await dialog.getByText('The node is drained.').waitFor();
  t.equal((await cluster.get<Node>('node', node)).spec?.unschedulable, true);
  t.strictSame(
    (await cluster.get<{ items: unknown[] }>('pods', '--field-selector', `spec.nodeName=${node}`)).items,
    [],
  );
  await dialog.getByRole('button', { name: 'Close' }).click();
  await button('Uncordon').click();
  await dialog.getByRole('button', { name: 'Uncordon' }).click();
  await button('Cordon').waitFor();
});

t.test('the session ends with the token, nothing has failed, and the policy has had nothing to refuse', async (t) => {
  await button('Log out').click();
  await page.getByLabel('Bearer token').waitFor();
  t.equal(await page.evaluate(() => sessionStorage.getItem('kedge-console-token')), null);
  t.equal(await page.evaluate(() => 'wasHacked' in globalThis), false);
  t.strictSame(admin.complaints, []);
});
