/** Why a plan has the actions that it has, for the flight recorder. Pure. */
import type { PlannedAction } from '../../recorder/report.ts';
import type { PodAction } from './actions.ts';
import { newestContainer, type ObservedContainer, type PodRuntime } from './observed.ts';

/** `runtime`: what the plan was made of. */
export const plannedActions = (actions: readonly PodAction[], runtime: PodRuntime): PlannedAction[] =>
  actions.map((action) => plannedAction(action, runtime));

function plannedAction(action: PodAction, runtime: PodRuntime): PlannedAction {
  switch (action.kind) {
    case 'setUp':
      return {
        action: action.kind,
        why: runtime.sandboxes.length === 0 ? 'nothing of it runs here' : 'this agent has not done so yet',
      };
    case 'refreshVolumes':
      return { action: action.kind, why: 'what its volumes show has changed' };
    case 'createSandbox':
      return {
        action: action.kind,
        why: action.attempt === 0 ? 'it has none' : 'the one before is not ready any more',
      };
    case 'startContainer': {
      const { name } = action.container;
      const before = newestContainer(runtime, name);
      return { action: action.kind, container: name, why: before ? `${endOf(before)} before` : `it has not run yet` };
    }
    case 'stopContainer':
      return { action: action.kind, container: action.observed.name, why: action.message };
    case 'removeContainer': {
      const { name, state } = action.observed;
      const why = state === 'created' ? 'it was created and never started' : 'later runs of it are kept instead';
      return { action: action.kind, container: name, why };
    }
    case 'resize':
      return { action: action.kind, why: 'other CPU and memory are allocated to it' };
    case 'stopSandbox':
      return { action: action.kind, why: 'nothing runs in it' };
    case 'removeSandbox':
      return { action: action.kind, why: 'it is not used any more' };
    case 'releaseDevices':
      return { action: action.kind, why: 'no container of it runs' };
    case 'tearDown':
      return { action: action.kind, why: 'no container of it runs' };
  }
}

/** `exited with 137 (OOMKilled)` */
export const endOf = ({ exitCode, reason }: Pick<ObservedContainer, 'exitCode' | 'reason'>): string =>
  `exited with ${exitCode}${reason && reason !== 'Completed' && reason !== 'Error' ? ` (${reason})` : ''}`;
