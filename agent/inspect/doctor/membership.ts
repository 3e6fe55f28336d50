import { failure, ok, warning, type Finding } from './finding.ts';

export interface MembershipFacts {
  readonly joined: boolean;
  /** '' when there is none in the settings. */
  readonly server: string;
  /** Whether the agent answers on this host, and why it is unhealthy if it is. */
  readonly agent: { readonly runs: boolean; readonly unhealthy?: string };
  /** Why the api-server does not answer; undefined when it does, or was not asked. */
  readonly serverError?: string;
}

/** Pure. */
export function judgeMembership({ joined, server, agent, serverError }: MembershipFacts): Finding[] {
  const findings: Finding[] = [];
  if (joined && !agent.runs)
    findings.push(
      failure(
        'this host is a node, and its agent does not answer',
        'a running agent',
        'systemctl start kedge-agent; journalctl -u kedge-agent says why it has ended',
      ),
    );
  if (agent.unhealthy !== undefined)
    findings.push(
      failure(
        `the agent says that it is unhealthy: ${agent.unhealthy}`,
        'a healthy agent',
        'journalctl -u kedge-agent',
      ),
    );
  if (serverError !== undefined)
    findings.push(
      warning(
        `the api-server at ${server} does not answer: ${serverError}`,
        'a server that answers; pods run on without it',
        `on this host: curl -k ${server}/readyz; on the server's: systemctl status kedge-server, and its firewall`,
      ),
    );
  if (findings.length > 0) return findings;
  if (!joined) return [ok('this host is no node yet')];
  return [ok(`the agent runs${server === '' ? '' : `, and ${server} answers`}`)];
}
