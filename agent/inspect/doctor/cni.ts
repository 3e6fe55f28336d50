import { failure, ok, warning, type Finding } from './finding.ts';

export interface CniFacts {
  /** The directory that has plugins; undefined when none does. */
  readonly binDirectory: string | undefined;
  /** The names of the plugins in it. */
  readonly plugins: readonly string[];
  readonly confDirectory: string;
  /** The names of the files in it. */
  readonly configurations: readonly string[];
  /** The file that the agent writes. */
  readonly own: string;
  readonly joined: boolean;
}

const NEEDED = ['bridge', 'host-local', 'loopback', 'portmap'];

/** Pure. */
export function judgeCni(facts: CniFacts): Finding[] {
  const { binDirectory, plugins, confDirectory, configurations, own, joined } = facts;
  const missing = NEEDED.filter((name) => !plugins.includes(name));
  if (binDirectory === undefined || missing.length > 0)
    return [
      failure(
        `plugins of CNI are missing: ${missing.join(', ')}`,
        `${NEEDED.join(', ')} in /usr/lib/cni or /opt/cni/bin`,
        'apt-get install containernetworking-plugins',
      ),
    ];
  const files = configurations.filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
  if (files.length === 0 && joined)
    return [
      failure(
        `there is no configuration in ${confDirectory}`,
        `${own}, which the agent writes when the node has its range of addresses`,
        'journalctl -u kedge-agent says why it has not',
      ),
    ];
  const [first] = files;
  // The runtime uses the first one by name, whatever else there is.
  if (first !== undefined && first !== own)
    return [
      warning(
        `${confDirectory} has ${first}, which comes before ${own}: pods get that network`,
        `${own} alone`,
        `move ${first} elsewhere, and delete the pods that have started with it`,
      ),
    ];
  return [ok(`plugins in ${binDirectory}${first === undefined ? '' : `, ${first} in ${confDirectory}`}`)];
}
