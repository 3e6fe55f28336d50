/** What has happened to a pod's sandboxes and containers since they were last observed, for the flight recorder. Pure. */
import type { Report } from '../../recorder/report.ts';
import type { PodAction } from './actions.ts';
import { endOf } from './plan-reasons.ts';
import type { ObservedContainer, PodRuntime } from './observed.ts';
import type { PodPlan } from './plan.ts';

/** What a starting agent finds of the pod. */
export const foundAtStart = ({ sandboxes, containers }: PodRuntime): Report[] => [
  ...sandboxes.map(({ id, ready }): Report => ({
    kind: 'seen',
    what: ready ? 'found its sandbox' : 'found a sandbox that is not ready',
    id,
  })),
  ...containers.map(({ id, name, state, ...ended }): Report => {
    const how = state === 'exited' ? `that has ${endOf(ended)}` : `that is ${state}`;
    return { kind: 'seen', what: `found container ${name}, ${how}`, container: name, id };
  }),
];

/** `plan`: what was made of `after`. Its own doings are told by the calls that it makes. */
export function changesBetween(before: PodRuntime, after: PodRuntime, plan: PodPlan, now: number): Report[] {
  const told: Report[] = [];
  const containers = new Map(before.containers.map((one) => [one.id, one]));
  for (const observed of after.containers) {
    const { id, name, state } = observed;
    const known = containers.get(id)?.state;
    containers.delete(id);
    if (state === 'exited' && known !== 'exited') told.push(exitOf(observed, plan, now));
    if (state === 'unknown' && known !== 'unknown')
      told.push({
        kind: 'seen',
        what: `container ${name} is in a state that the runtime does not know`,
        container: name,
        id,
      });
  }
  // Those that are alive and gone were removed by somebody else.
  for (const { id, name, state } of containers.values())
    if (state === 'running') told.push({ kind: 'seen', what: `container ${name} is gone`, container: name, id });
  const sandboxes = new Map(after.sandboxes.map((one) => [one.id, one]));
  for (const { id, ready } of before.sandboxes) {
    if (!ready || sandboxes.get(id)?.ready) continue;
    told.push({
      kind: 'seen',
      what: sandboxes.has(id) ? 'its sandbox is not ready any more' : 'its sandbox is gone',
      id,
    });
  }
  return told;
}

function exitOf(observed: ObservedContainer, plan: PodPlan, now: number): Report {
  const { id, name, exitCode, reason, startedAt, finishedAt } = observed;
  const ranMs = startedAt > 0 ? Math.max(0, finishedAt - startedAt) : 0;
  return { kind: 'exit', container: name, id, exitCode, reason, ranMs, next: nextOf(observed, plan, now) };
}

const startsAgain = (action: PodAction, name: string): boolean =>
  action.kind === 'startContainer' && action.container.name === name;

/** What follows from the end of a container. */
function nextOf({ name, finishedAt, backOffSeconds }: ObservedContainer, plan: PodPlan, now: number): string {
  if (plan.waiting.has(name)) {
    const seconds = Math.max(0, Math.ceil((finishedAt + backOffSeconds * 1000 - now) / 1000));
    return `restart in ${seconds} s because of back-off`;
  }
  if (plan.actions.some((action) => startsAgain(action, name))) return 'restart at once';
  return 'it is not restarted now';
}
