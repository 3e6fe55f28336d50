import { access } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { agentSettings } from '../agent/config.ts';
import { humanDuration } from '../api/machinery/duration.ts';
import { serverSettings, type ServerConfig } from '../control-plane/config.ts';
import { readCertificateFiles } from '../daemon/certificate-files.ts';
import { rotateCertificates, type RotateFlags } from './certs-rotate.ts';
import { daemonSettings } from './daemon-settings.ts';
import { requireRoot } from './daemon.ts';
import { AGENT_CONFIG } from './node-settings.ts';
import { checkOutput } from './node/node-command.ts';
import { table } from './node/table.ts';
import { print, printJson } from './output.ts';
import { ending } from './run-command.ts';
import { INSTALLED as SERVER_CONFIG } from './server-config.ts';

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

const serverSettingsOf = async (given: string | undefined): Promise<ServerConfig> =>
  daemonSettings(serverSettings, flagsOf(given ?? (await existing(SERVER_CONFIG))));
const pkiDirectory = ({ dataDir }: ServerConfig): string => path.resolve(dataDir, 'pki');

async function serverPki({ serverConfig }: Files): Promise<string> {
  return pkiDirectory(await serverSettingsOf(serverConfig));
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
  if (entries.length === 0) return print('this host has no certificates: it runs no server, and is no node');
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
        .option(
          '--drop-ca',
          'trust the CA before the present one no longer; restarts the server; refused while a node has a certificate of it',
        )
        .option(
          '--front-proxy-ca',
          'likewise a new CA of the front proxy, by which aggregated API servers know this one',
        )
        .option('--drop-front-proxy-ca', 'trust the one before no longer; restarts the server')
        .option(
          '--etcd-ca',
          'likewise a new CA of the etcd that kedge runs; restarts the server and its member of etcd',
        )
        .option(
          '--drop-etcd-ca',
          'trust the one before no longer; restarts both; refused while a member of etcd does not know the new one',
        )
        .option(
          '--service-account-key',
          'sign tokens of service accounts with a new key; those of the present one are valid until it is dropped; restarts the server',
        )
        .option(
          '--drop-service-account-key',
          'tokens of the key before are not valid any longer; restarts the server; refused in the first 24 hours, in which pods get new ones',
        )
        .option(
          '--force',
          'do not refuse: nodes that have not renewed have to join again, and pods with old tokens to be restarted',
        )
        .action(
          ending(async ({ serverConfig, ...flags }: RotateFlags & Files) => {
            requireRoot('certs rotate', 'replaces keys');
            const settings = await serverSettingsOf(serverConfig);
            await rotateCertificates(pkiDirectory(settings), settings, flags);
          }),
        ),
    );
