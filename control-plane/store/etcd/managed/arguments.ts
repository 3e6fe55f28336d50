/** How etcd is started. Pure. */
import { IpAddress } from '../../../../api/domain/address.ts';

/** etcd's own, which upstream's clusters have, too. */
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
/** Objects are JSON, which is longer than the protobuf that etcd's own limit of 1.5 MiB is meant for. */
const MAX_REQUEST_BYTES = 4 * 2 ** 20;

const hostOf = (address: string): string => (IpAddress.parse(address)?.family === 'IPv6' ? `[${address}]` : address);
/** @param address the IP address of a member's host */
export const clientUrl = (address: string): string => `https://${hostOf(address)}:${CLIENT_PORT}`;
export const peerUrl = (address: string): string => `https://${hostOf(address)}:${PEER_PORT}`;

export interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface EtcdArguments {
  readonly address: string;
  readonly dataDirectory: string;
  readonly tls: TlsFiles;
  /** Bytes that the database may have: then etcd accepts no more writes. */
  readonly quotaBytes: number;
  /** How the cluster begins; undefined for a member that has data, which etcd never begins a cluster without then. */
  readonly beginning: Beginning | undefined;
}

export interface Beginning {
  readonly state: 'new' | 'existing';
  /** The peer URL of each member by its name, this one included. */
  readonly members: readonly (readonly [name: string, peerUrl: string])[];
  /** Tells clusters of the same members apart. */
  readonly token: string;
}

/** Compaction is the api-servers': they know which history their watches need. */
export function etcdArguments({ address, dataDirectory, tls, quotaBytes, beginning }: EtcdArguments): string[] {
  const files = (prefix: string): string[] => [
    ...[`--${prefix}cert-file=${tls.certFile}`, `--${prefix}key-file=${tls.keyFile}`],
    ...[`--${prefix}client-cert-auth=true`, `--${prefix}trusted-ca-file=${tls.caFile}`],
  ];
  return [
    ...[`--name=${address}`, `--data-dir=${dataDirectory}`],
    ...[`--listen-client-urls=${clientUrl(address)}`, `--advertise-client-urls=${clientUrl(address)}`],
    ...[`--listen-peer-urls=${peerUrl(address)}`, `--initial-advertise-peer-urls=${peerUrl(address)}`],
    ...[...files(''), ...files('peer-')],
    ...[`--quota-backend-bytes=${quotaBytes}`, `--max-request-bytes=${MAX_REQUEST_BYTES}`],
    ...['--auto-compaction-retention=0', '--strict-reconfig-check=true', '--logger=zap', '--log-level=warn'],
    ...(beginning
      ? [
          `--initial-cluster=${beginning.members.map(([name, url]) => `${name}=${url}`).join(',')}`,
          ...[`--initial-cluster-state=${beginning.state}`, `--initial-cluster-token=${beginning.token}`],
        ]
      : [
          // Without these, an etcd that finds no data begins a cluster of one. With them it looks for the others, of which there are none, and ends.
          `--initial-cluster=${address}=${peerUrl(address)}`,
          '--initial-cluster-state=existing',
        ]),
  ];
}
