/** The CNI configuration of the pod network, which the container runtime reads. https://www.cni.dev/docs/spec/ */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cidr, IpFamily } from '../../api/domain/address.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { fileExists, readTextIfThere } from '../host/files.ts';

export interface CniNetwork {
  /** The node's, one of each IP family at most. */
  readonly podCidrs: readonly Cidr[];
  readonly bridgeName: string;
  /** 0: the kernel's default. */
  readonly mtu: number;
  /** Where host-local records allocated addresses. */
  readonly stateDir: string;
}

/** The newest version that the plugins of Debian 12 (1.1.1) and containerd 1.6 both support. */
const CNI_VERSION = '1.0.0';
export const CNI_FILE = '10-kedge.conflist';
const NAME = 'kedge';
const EVERYWHERE: Readonly<Record<IpFamily, string>> = { IPv4: '0.0.0.0/0', IPv6: '::/0' };
/** Where packages and archives of the plugins put them; which the runtime uses is its own business. */
const PLUGIN_DIRECTORIES = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];

/**
 * A bridge that is the pods' gateway, addresses from each podCIDR, hostPorts, and the limits that pods are annotated with. Masquerading is
 * left to the agent's own rules, which know the cluster CIDR. The runtime itself brings loopback up.
 */
function cniConfig({ podCidrs, bridgeName, mtu, stateDir }: CniNetwork, limitsBandwidth: boolean): string {
  const bridge = {
    type: 'bridge',
    bridge: bridgeName,
    isGateway: true,
    forceAddress: true,
    hairpinMode: true,
    ipMasq: false,
    ...(mtu > 0 && { mtu }),
    ipam: {
      type: 'host-local',
      dataDir: stateDir,
      ranges: podCidrs.map(({ text }) => [{ subnet: text }]),
      routes: podCidrs.map(({ family }) => ({ dst: EVERYWHERE[family] })),
    },
  };
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true };
  // https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/network-plugins/#support-traffic-shaping
  const bandwidth = { type: 'bandwidth', capabilities: { bandwidth: true } };
  const plugins = [bridge, portmap, ...(limitsBandwidth ? [bandwidth] : [])];
  return `${JSON.stringify({ cniVersion: CNI_VERSION, name: NAME, plugins }, null, 2)}\n`;
}

/** Whether the runtime finds the plugin, wherever it looks: a network with one that it does not find is none. */
async function hasPlugin(name: string): Promise<boolean> {
  const found = await Promise.all(
    PLUGIN_DIRECTORIES.map(async (directory) => ({
      hasBridge: await fileExists(join(directory, 'bridge')),
      hasIt: await fileExists(join(directory, name)),
    })),
  );
  const used = found.filter(({ hasBridge }) => hasBridge);
  return used.length > 0 && used.every(({ hasIt }) => hasIt);
}

/** Writes it when it differs from the file that is there. Resolves to whether it did. */
export async function writeCniConfig(confDir: string, network: CniNetwork): Promise<boolean> {
  const path = join(confDir, CNI_FILE);
  const text = cniConfig(network, await hasPlugin('bandwidth'));
  if ((await readTextIfThere(path)) === text) return false;
  await mkdir(confDir, { recursive: true });
  await writeFileAtomically(path, text, 0o644);
  return true;
}
