/** The CNI configuration of the pod network, which the container runtime reads. https://www.cni.dev/docs/spec/ */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { readTextIfThere } from '../host/files.ts';

export interface CniNetwork {
  /** The node's podCIDR. */
  readonly podCidr: string;
  readonly bridgeName: string;
  /** 0: the kernel's default. */
  readonly mtu: number;
  /** Where host-local records allocated addresses. */
  readonly stateDir: string;
}

/** The newest version that the plugins of Debian 12 (1.1.1) and containerd 1.6 both support. */
const CNI_VERSION = '1.0.0';
const FILE = '10-kedge.conflist';
const NAME = 'kedge';

/**
 * A bridge that is the pods' gateway, addresses from the podCIDR, and hostPorts. Masquerading is left to the agent's own
 * rules, which know the cluster CIDR. The runtime itself brings loopback up.
 */
function cniConfig({ podCidr, bridgeName, mtu, stateDir }: CniNetwork): string {
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
      ranges: [[{ subnet: podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true };
  return `${JSON.stringify({ cniVersion: CNI_VERSION, name: NAME, plugins: [bridge, portmap] }, null, 2)}\n`;
}

/** Writes it when it differs from the file that is there. Resolves to whether it did. */
export async function writeCniConfig(confDir: string, network: CniNetwork): Promise<boolean> {
  const path = join(confDir, FILE);
  const text = cniConfig(network);
  if ((await readTextIfThere(path)) === text) return false;
  await mkdir(confDir, { recursive: true });
  await writeFileAtomically(path, text, 0o644);
  return true;
}
