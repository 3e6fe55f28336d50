import { failure, ok, type Finding } from './finding.ts';

export interface WantedPort {
  readonly port: number;
  readonly what: string;
  /** The setting that changes it. */
  readonly setting: string;
}

export interface PortFacts {
  readonly wanted: readonly WantedPort[];
  /** Who listens at each port; name and id are unknown of a process in another namespace. */
  readonly listeners: ReadonlyMap<number, { readonly pid?: number; readonly name?: string }>;
  /** The agent's own process, when it runs. */
  readonly agentPid: number | undefined;
}

/** Pure. */
export function judgePorts({ wanted, listeners, agentPid }: PortFacts): Finding[] {
  const findings = wanted.flatMap(({ port, what, setting }) => {
    const listener = listeners.get(port);
    if (!listener) {
      if (agentPid === undefined) return [];
      return [
        failure(
          `the agent runs, and nobody listens at port ${port}, for ${what}`,
          'the agent',
          'journalctl -u kedge-agent says why it does not',
        ),
      ];
    }
    if (agentPid !== undefined && listener.pid === agentPid) return [];
    const who = listener.name === undefined ? 'another process' : `${listener.name} (process ${listener.pid})`;
    return [failure(`port ${port}, for ${what}, is taken by ${who}`, 'a free port', `stop it, or set ${setting}`)];
  });
  if (findings.length > 0) return findings;
  const all = wanted.map(({ port }) => port).join(', ');
  return [ok(agentPid === undefined ? `${all} are free` : `the agent listens at ${all}`)];
}
