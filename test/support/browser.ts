/** Debian's Chromium, for tests of the web console; in a network namespace of a test where there is one. */
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium';
/** A page that does not come up in this time fails its test. */
const LIMIT_MS = 30_000;

export interface BrowserOptions {
  /** A directory of the test. */
  readonly directory: string;
  readonly netns?: string;
}

/** The caller closes it. */
export async function startBrowser({ directory, netns }: BrowserOptions): Promise<Browser> {
  const launcher = path.join(directory, 'chromium.sh');
  const prefix = netns === undefined ? '' : `ip netns exec '${netns}' `;
  await writeFile(launcher, `#!/bin/sh\nexec ${prefix}${PROGRAM} "$@"\n`);
  await chmod(launcher, 0o755);
  // The tests are root, for whom Chromium has no sandbox.
  return chromium.launch({
    executablePath: launcher,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: LIMIT_MS,
  });
}

export interface ConsolePage extends AsyncDisposable {
  readonly page: Page;
  /** What the page has complained of: scripts that failed, and what its policy has kept out. */
  readonly complaints: readonly string[];
  /** Goes to a place of the console, as its address has it. */
  go(fragment: string): Promise<void>;
  logIn(token: string): Promise<void>;
}

/** A fresh session in the console of a server. */
export async function openConsole(browser: Browser, server: string): Promise<ConsolePage> {
  const context = await browser.newContext({
    // The cluster's own CA is none of the browser's.
    ignoreHTTPSErrors: true,
    // The editor makes only the lines that are in sight.
    viewport: { width: 1280, height: 1600 },
    locale: 'en-US',
    colorScheme: 'light',
  });
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch((error: Error) => complaints.push(error.message));
  });
  page.on('console', (message) => {
    // Answers that are failures are among what is tested.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  const url = `${server}/console/`;
  await page.goto(url);
  return {
    page,
    complaints,
    go: async (fragment) => {
      await page.goto(`${url}#/${fragment}`);
    },
    logIn: async (token) => {
      await page.getByLabel('Bearer token').fill(token);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('navigation').getByRole('link', { name: 'Pod', exact: true }).waitFor();
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}
