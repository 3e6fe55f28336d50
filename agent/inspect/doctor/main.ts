/** `kedge doctor`: gathers what the checks judge. Each check is a pure function in a file of its own. */
import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { request } from 'node:https';
import { arch, release } from 'node:os';
import { join, resolve } from 'node:path';
import { msSince } from '../../../client/clock.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { readCertificateFiles } from '../../../daemon/certificate-files.ts';
import type { AgentConfig } from '../../config.ts';
import { fileExists, namesIn, readTextIfThere } from '../../host/files.ts';
import { readMemory } from '../../host/meters.ts';
import { findListener } from '../../host/proc.ts';
import { parseResolvConf } from '../../host/resolv-conf.ts';
import {
  isClockSynchronized,
  isSystemdRunning,
  processes,
  programsPresent,
  surveyCgroups,
  surveyDisk,
  surveyListeners,
  surveyModules,
} from '../../host/survey.ts';
import { readSysctl } from '../../host/sysctl.ts';
import { CNI_FILE } from '../../network/cni-config.ts';
import { Nft } from '../../network/netfilter/nft.ts';
import { localSocket, readLocally } from '../local-agent.ts';
import { withRuntime } from '../runtime-pods.ts';
import { judgeCertificates, type CertificateFacts } from './certificates.ts';
import { judgeCgroups } from './cgroups.ts';
import { judgeClock } from './clock.ts';
import { judgeCni } from './cni.ts';
import { judgeDisks } from './disk.ts';
import { judgeDns, type DnsFacts } from './dns.ts';
import { failure, type CheckedFinding, type Finding } from './finding.ts';
import { judgeFirewall } from './firewall.ts';
import { judgeInstallations, TRACES } from './installations.ts';
import { judgeKernel } from './kernel.ts';
import { judgeMembership } from './membership.ts';
import { judgeMemory } from './memory.ts';
import { judgeModules, NEEDED_MODULES, USEFUL_MODULES } from './modules.ts';
import { judgePorts, type WantedPort } from './ports.ts';
import { judgePrograms, PROGRAMS } from './programs.ts';
import { judgeServerCertificates, SERVER_PKI } from './server-certificates.ts';
import { judgeRuntime, type RuntimeFacts } from './runtime.ts';
import { judgeSysctls, SYSCTLS } from './sysctls.ts';

const CNI_DIRECTORIES = ['/usr/lib/cni', '/opt/cni/bin'];
/** A host that is unwell may keep any one of the checks waiting. */
const CHECK_LIMIT_MS = 15_000;
const ASK_LIMIT_MS = 5_000;

/** What several checks need to know. */
interface Situation {
  readonly config: AgentConfig;
  readonly pki: string;
  /** Whether this host has the identity of a node. */
  readonly joined: boolean;
  readonly agent: { readonly runs: boolean; readonly unhealthy?: string };
  readonly agentPid: number | undefined;
  readonly server: ServerAnswer;
  readonly runtime: RuntimeFacts & { readonly driver?: 'systemd' | 'cgroupfs' };
  readonly signal: AbortSignal;
}

type Check = (situation: Situation) => Promise<Finding[]>;

/** In the order in which they are told. */
const CHECKS: readonly (readonly [string, Check])[] = [
  ['kernel', async () => judgeKernel({ release: release(), architecture: arch() })],
  [
    'cgroups',
    async ({ runtime }) =>
      judgeCgroups({ ...(await surveyCgroups()), driver: runtime.driver, isSystemd: await isSystemdRunning() }),
  ],
  [
    'modules',
    async () =>
      judgeModules({ modules: await surveyModules([...NEEDED_MODULES.keys(), ...USEFUL_MODULES.keys()], release()) }),
  ],
  ['sysctls', async ({ agent }) => judgeSysctls({ values: await sysctls(), agentRuns: agent.runs })],
  ['memory', async () => judgeMemory(await readMemory())],
  ['disk', async ({ config }) => judgeDisks({ disks: await disks(config) })],
  [
    'clock',
    async ({ server, signal }) =>
      judgeClock({ nowMs: Date.now(), aheadMs: server.aheadMs, isSynchronized: await isClockSynchronized(signal) }),
  ],
  ['programs', async ({ config }) => judgePrograms({ present: await programsPresent(PROGRAMS), ...config })],
  ['containerd', async ({ runtime }) => judgeRuntime(runtime)],
  ['cni', checkCni],
  ['dns', async ({ config, signal }) => judgeDns(await dnsFacts(config, signal))],
  ['ports', checkPorts],
  [
    'firewall',
    async ({ config, signal }) =>
      judgeFirewall({ ...config, chains: await new Nft(signal).allChains().catch(() => undefined) }),
  ],
  ['installations', checkInstallations],
  [
    'certificates',
    async ({ pki, agent }) => [
      ...judgeCertificates({
        directory: pki,
        nowMs: Date.now(),
        agentRuns: agent.runs,
        certificates: await certificates(pki),
      }),
      ...judgeServerCertificates(await readCertificateFiles(SERVER_PKI), Date.now()),
    ],
  ],
  [
    'node',
    async ({ joined, config, agent, server }) =>
      judgeMembership({ joined, agent, server: config.server, serverError: server.error }),
  ],
];

/** Runs all checks. A check that cannot look is a finding, too. */
export async function examineHost(config: AgentConfig, signal: AbortSignal): Promise<CheckedFinding[]> {
  const situation = await situationOf(config, signal);
  const all = await Promise.all(
    CHECKS.map(async ([check, look]): Promise<CheckedFinding[]> => {
      try {
        const findings = await withDeadline({ what: check, limitMs: CHECK_LIMIT_MS, signal }, () => look(situation));
        return findings.map((finding) => ({ check, ...finding }));
      } catch (error) {
        if (signal.aborted) throw error;
        const found = `this cannot be looked at: ${(error as Error).message}`;
        return [{ check, ...failure(found, 'an answer', 'find out why; kedge doctor -o json has the same words') }];
      }
    }),
  );
  return all.flat();
}

async function situationOf(config: AgentConfig, signal: AbortSignal): Promise<Situation> {
  const pki = join(resolve(config.dataDir), 'pki');
  const joined = await fileExists(join(pki, 'client.pem'));
  const ca = await readTextIfThere(join(pki, 'ca.crt'));
  const [health, agentPid, server, runtime] = await Promise.all([
    readLocally(config.dataDir, '/healthz', signal),
    findListener(localSocket(config.dataDir)),
    askServer(config.server, ca, signal),
    runtimeFacts(config, joined, signal),
  ]);
  const agent = { runs: health.isThere, ...(health.isThere && !health.ok && { unhealthy: health.body }) };
  return { config, pki, joined, agent, agentPid, server, runtime, signal };
}

interface ServerAnswer {
  readonly error?: string;
  readonly aheadMs?: number;
}

/** Whether the api-server answers, and by how much this host's clock is ahead of its. Nothing is known without its CA. */
async function askServer(server: string, ca: string | undefined, signal: AbortSignal): Promise<ServerAnswer> {
  if (server === '' || ca === undefined) return {};
  try {
    const sentAt = performance.now();
    const date = await withDeadline({ what: `GET ${server}/livez`, limitMs: ASK_LIMIT_MS, signal }, (within) =>
      dateOf(new URL('/livez', server), ca, within),
    );
    const serverMs = Date.parse(date ?? '');
    // Its time is in whole seconds, and was written while the answer was under way.
    // Half of what it took is the way back.
    return Number.isNaN(serverMs) ? {} : { aheadMs: msSince(serverMs + 500) - (performance.now() - sentAt) / 2 };
  } catch (error) {
    if (signal.aborted) throw error;
    return { error: (error as Error).message };
  }
}

const dateOf = (url: URL, ca: string, signal: AbortSignal): Promise<string | undefined> =>
  new Promise((done, reject) => {
    const asked = request(url, { ca, signal, agent: false }, (response) => {
      response.resume();
      done(response.headers.date);
    });
    asked.on('error', reject);
    asked.end();
  });

async function runtimeFacts(config: AgentConfig, joined: boolean, signal: AbortSignal): Promise<Situation['runtime']> {
  const socket = config.containerdSocket;
  const options = { signal, limitMs: ASK_LIMIT_MS };
  try {
    return await withRuntime(config, async (cri) => {
      const [{ runtimeVersion }, { conditions }, driver] = await Promise.all([
        cri.version(options),
        cri.status(options),
        cri.cgroupDriver(options),
      ]);
      return { socket, joined, version: runtimeVersion, conditions, driver };
    });
  } catch (error) {
    if (signal.aborted) throw error;
    return { socket, joined, conditions: [], error: (error as Error).message };
  }
}

const sysctls = async (): Promise<Map<string, string | undefined>> =>
  new Map(await Promise.all(SYSCTLS.map(async (key) => [key, await readSysctl(key)] as const)));

async function disks({ dataDir, podLogDir }: AgentConfig) {
  const wanted = [
    { directory: resolve(dataDir), what: "the agent's data" },
    { directory: '/var/lib', what: 'images and containers' },
    { directory: resolve(podLogDir), what: 'logs of pods' },
  ];
  return Promise.all(wanted.map(async ({ directory, what }) => ({ what, ...(await surveyDisk(directory)) })));
}

async function checkCni({ config, joined }: Situation): Promise<Finding[]> {
  let binDirectory: string | undefined;
  for (const directory of CNI_DIRECTORIES)
    if (binDirectory === undefined && (await fileExists(join(directory, 'bridge')))) binDirectory = directory;
  return judgeCni({
    ...{ binDirectory, joined, own: CNI_FILE, confDirectory: config.cniConfDir },
    plugins: binDirectory === undefined ? [] : await namesIn(binDirectory),
    configurations: await namesIn(config.cniConfDir),
  });
}

async function dnsFacts({ resolvConf, server }: AgentConfig, signal: AbortSignal): Promise<DnsFacts> {
  const text = await readTextIfThere(resolvConf);
  const servers = text === undefined ? undefined : parseResolvConf(text).servers;
  const name = server === '' ? '' : new URL(server).hostname;
  if (!/[a-z]/i.test(name) || name.startsWith('[')) return { file: resolvConf, servers };
  try {
    await withDeadline({ what: `looking up ${name}`, limitMs: ASK_LIMIT_MS, signal }, () => lookup(name));
    return { file: resolvConf, servers, lookup: { name } };
  } catch (error) {
    if (signal.aborted) throw error;
    return { file: resolvConf, servers, lookup: { name, error: (error as Error).message } };
  }
}

async function checkPorts({ config, agentPid }: Situation): Promise<Finding[]> {
  const all: WantedPort[] = [{ port: config.port, what: 'the node API', setting: 'port' }];
  if (config.serviceProxy)
    all.push(
      { port: config.proxyHealthPort, what: 'the health of the service proxy', setting: 'proxy-health-port' },
      { port: config.proxyMetricsPort, what: 'the metrics of the service proxy', setting: 'proxy-metrics-port' },
    );
  const wanted = all.filter(({ port }) => port !== 0);
  return judgePorts({ wanted, listeners: await surveyListeners(), agentPid });
}

async function checkInstallations(): Promise<Finding[]> {
  const paths: string[] = [];
  for (const path of TRACES.keys()) if (await fileExists(path)) paths.push(path);
  return judgeInstallations({ processes: new Set((await processes()).values()), paths });
}

/** The certificates that are there, by what they are for. */
async function certificates(pki: string): Promise<CertificateFacts['certificates'][number][]> {
  const found: CertificateFacts['certificates'][number][] = [];
  for (const [name, file] of [
    ["cluster's", 'ca.crt'],
    ["node's client", 'client.pem'],
    ["node's serving", 'serving.pem'],
  ] as const) {
    const text = await readTextIfThere(join(pki, file));
    if (text === undefined) continue;
    try {
      const { validFromDate, validToDate } = new X509Certificate(text);
      found.push({ name, validFromMs: validFromDate.getTime(), validToMs: validToDate.getTime() });
    } catch (error) {
      found.push({ name, error: (error as Error).message });
    }
  }
  return found;
}
