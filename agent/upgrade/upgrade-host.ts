/** This host, as an upgrade sees it. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { namesIn } from '../host/files.ts';
import { commandOf, reloadUnits, restartUnit, unitState } from '../host/service-units.ts';
import { readLocally } from '../inspect/local-agent.ts';
import type { UpgradeHost } from './carry-out.ts';

/** Where an administrator's units are. */
const UNIT_FOLDER = '/etc/systemd/system';
const UNIT_MODE = 0o644;
const UNIT = /^kedge-[a-z]+\.service$/;
const AGENT = 'kedge-agent.service';
/** In the order in which they are restarted. containerd is not, nor are the containers. */
const DAEMONS = ['kedge-server.service', AGENT];

/** @param agentDataDir where the agent of this host answers */
export const upgradeHost = (agentDataDir: string, signal: AbortSignal): UpgradeHost => ({
  async units() {
    const states = await Promise.all(DAEMONS.map((unit) => unitState(unit, signal)));
    return DAEMONS.filter((_, index) => {
      const state = states[index];
      return state?.enabled === 'enabled' || state?.active === 'active';
    });
  },
  async installUnits(folder) {
    const from = path.join(folder, 'systemd');
    for (const name of (await namesIn(from)).filter((one) => UNIT.test(one)))
      await writeFileAtomically(path.join(UNIT_FOLDER, name), await readFile(path.join(from, name)), UNIT_MODE);
    await reloadUnits(signal);
  },
  restart: (unit) => restartUnit(unit, signal),
  state: (unit) => unitState(unit, signal),
  command: commandOf,
  async unhealthy(unit) {
    // A server is active when it has answered at /readyz.
    if (unit !== AGENT) return undefined;
    const answer = await readLocally(agentDataDir, '/healthz', signal);
    if (!answer.isThere) return 'the agent does not answer on its socket';
    return answer.ok ? undefined : `the agent is unhealthy: ${answer.body.trim()}`;
  },
});
