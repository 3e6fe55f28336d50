import { access } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { run } from '../agent/host/run.ts';
import { isSystemdRunning } from '../agent/host/survey.ts';
import { humanDuration } from '../api/machinery/duration.ts';
import { serverSettings } from '../control-plane/config.ts';
import { requestedRotation, requestRotation, type RotationStep } from '../control-plane/pki/ca-rotation.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { readCertificateFiles } from '../daemon/certificate-files.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot } from './daemon.ts';
import { checkOutput } from './node/node-command.ts';
import { table } from './node/table.ts';
import { print, printJson } from './output.ts';
import { SettingsError } from './settings.ts';

/** Where the installation has the settings of both daemons. */
const SERVER_CONFIG = '/etc/kedge/server.yaml';
const AGENT_CONFIG = '/etc/kedge/agent.yaml';
const SERVER_UNIT = 'kedge-server.service';
const CARRIED_OUT_LIMIT_MS = 120_000;
const LOOK_MS = 200;

interface Files {
  readonly serverConfig?: string;
  readonly agentConfig?: string;
}

const withFiles = (command: Command): Command =>
  command
    .option(
      '--server-config <file>',
      `YAML file of the server's settings (default: ${SERVER_CONFIG} where it is there)`,
    )
    .option('--agent-config <file>', `YAML file of the agent's settings (default: ${AGENT_CONFIG} where it is there)`);

async function existing(file: string): Promise<string | undefined> {
  try {
    await access(file);
    return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const flagsOf = (config: string | undefined): Record<string, unknown> => (config === undefined ? {} : { config });

async function serverPki({ serverConfig }: Files): Promise<string> {
  const config = serverConfig ?? (await existing(SERVER_CONFIG));
  return path.resolve((await daemonSettings(serverSettings, flagsOf(config))).dataDir, 'pki');
}

async function agentPki({ agentConfig }: Files): Promise<string> {
  const config = agentConfig ?? (await existing(AGENT_CONFIG));
  return path.resolve((await daemonSettings(agentSettings, flagsOf(config))).dataDir, 'pki');
}

async function list(flags: Files & { readonly output?: string }): Promise<void> {
  checkOutput(flags.output, 'json');
  const entries = [
    ...(await readCertificateFiles(await serverPki(flags))).map((entry) => ({ of: 'server', ...entry })),
    ...(await readCertificateFiles(await agentPki(flags))).map((entry) => ({ of: 'agent', ...entry })),
  ];
  if (flags.output === 'json') return printJson(entries);
  if (entries.length === 0) return console.log('this host has no certificates: it runs no server, and is no node');
  const now = Date.now();
  // Of a certificate with its chain, the first; of a bundle of CAs, each.
  const shown = entries.filter(
    (entry, index) => entry.name === 'ca' || !entries.slice(0, index).some(({ file }) => file === entry.file),
  );
  const rows = shown.map((entry) => {
    const about = [entry.of, entry.name];
    if ('error' in entry) return [...about, 'unreadable', '', entry.error, entry.file];
    if ('key' in entry) return [...about, 'never', '', `key of type ${entry.key}`, entry.file];
    const left = entry.validToMs - now;
    const day = new Date(entry.validToMs).toISOString().slice(0, 10);
    const issuer = entry.issuer === entry.subject ? 'itself' : entry.issuer;
    return [...about, day, left > 0 ? humanDuration(left) : 'EXPIRED', issuer, entry.file];
  });
  print(table(['OF', 'NAME', 'EXPIRES', 'LEFT', 'ISSUER', 'FILE'], rows));
}

interface RotateFlags extends Files {
  readonly ca?: true;
  readonly dropCa?: true;
}

async function rotate(flags: RotateFlags): Promise<void> {
  requireRoot('certs rotate', 'replaces keys');
  if (flags.ca && flags.dropCa)
    throw new SettingsError('--ca and --drop-ca are two steps, with time for all nodes between them');
  const step: RotationStep = flags.ca ? 'ca' : flags.dropCa ? 'drop-ca' : 'leaves';
  const directory = await serverPki(flags);
  try {
    await requestRotation(directory, step);
  } catch (error) {
    if (error instanceof PkiError) throw new SettingsError(error.message, { cause: error });
    throw error;
  }
  // CAs are handed to all parts of the server when it starts.
  const verb = step === 'leaves' ? 'reload' : 'restart';
  if (!(await isServerActive())) {
    console.log('kedge: this is carried out when the server starts next');
    return;
  }
  await run('systemctl', [verb, SERVER_UNIT], { timeoutMs: CARRIED_OUT_LIMIT_MS });
  const deadline = Date.now() + CARRIED_OUT_LIMIT_MS;
  while ((await requestedRotation(directory)) !== undefined) {
    if (Date.now() > deadline)
      throw new SettingsError(`the server has not rotated its certificates: journalctl -u ${SERVER_UNIT} says why`);
    await delay(LOOK_MS);
  }
  console.log(`kedge: ${DONE[step]}`);
}

const DONE: Readonly<Record<RotationStep, string>> = {
  leaves: 'the certificates of the server have been renewed; copies of its kubeconfig keep working until they expire',
  ca: 'a new CA signs now. Nodes learn it within 12 minutes, and renew their certificates; pods that read CAs once are to be restarted. Then: kedge certs rotate --drop-ca',
  'drop-ca': 'the CA before is trusted no longer',
};

async function isServerActive(): Promise<boolean> {
  if (!(await isSystemdRunning())) return false;
  const { stdout } = await run('systemctl', ['show', '--property=ActiveState', '--value', SERVER_UNIT]);
  return stdout.trim() === 'active';
}

/** `kedge certs`: what certificates this host has, and new ones. */
export const certsCommand = (): Command =>
  new Command('certs')
    .description('certificates of the server and the agent of this host')
    .addCommand(
      withFiles(new Command('list').description('list them, with who has signed them and when they expire'))
        .option('-o, --output <form>', 'json')
        .action(list),
    )
    .addCommand(
      withFiles(
        new Command('rotate').description(
          'renew the certificates of the server now; it renews them by itself a month before they expire, as agents do theirs',
        ),
      )
        .option(
          '--ca',
          'make a new CA, beside which the present one is trusted until it is dropped; restarts the server',
        )
        .option('--drop-ca', 'trust the CA before the present one no longer; restarts the server')
        .action(rotate),
    );
