import { failure, ok, warning, type Finding } from './finding.ts';

export interface RuntimeFacts {
  readonly socket: string;
  /** Before that, nothing needs to run. */
  readonly joined: boolean;
  /** Undefined when it does not answer; `error` says why then. */
  readonly version?: string;
  readonly error?: string;
  /** What it says of itself: RuntimeReady, NetworkReady. */
  readonly conditions: readonly { readonly type: string; readonly status: boolean; readonly message: string }[];
}

const OLDEST = [1, 6] as const;

/** Pure. */
export function judgeRuntime({ socket, joined, version, error, conditions }: RuntimeFacts): Finding[] {
  if (version === undefined) {
    const found = `containerd does not answer at ${socket}: ${error}`;
    const mend =
      'systemctl status kedge-containerd; journalctl -u kedge-containerd. Where it is another one, containerd-socket in /etc/kedge/agent.yaml names its socket';
    if (joined) return [failure(found, 'a containerd that answers', mend)];
    return [warning(found, 'a containerd that answers before this host joins', 'scripts/install.sh starts it')];
  }
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  const found = `containerd ${version} at ${socket}`;
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1]))
    return [failure(found, `containerd ${OLDEST.join('.')} or newer`, 'install a newer containerd')];
  const unready = conditions.filter(({ type, status }) => !status && (joined || type === 'RuntimeReady'));
  if (unready.length === 0) return [ok(found)];
  return unready.map(({ type, message }) =>
    failure(
      `${found} says that ${type} is false: ${message}`,
      `${type} to be true`,
      type === 'NetworkReady'
        ? "the agent writes the network's configuration once the node has its range: journalctl -u kedge-agent says why it has not"
        : 'journalctl -u kedge-containerd says why',
    ),
  );
}
