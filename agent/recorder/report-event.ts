import type { EventOccurrence } from '../../client/event-recorder.ts';
import { report } from './report.ts';

/** Of these, plans, calls of the runtime and failed actions tell more. */
const TOLD_OTHERWISE: ReadonlySet<string> = new Set(['Created', 'Started', 'Killing', 'BackOff', 'Failed']);

/** The agent's Events are part of its story, whether or not an api-server has them. */
export function reportEvent({ regarding, type, reason, message }: EventOccurrence): void {
  if (TOLD_OTHERWISE.has(reason)) return;
  const { kind = '', namespace, name = '', uid } = regarding;
  const path = namespace ? `${namespace}/${name}` : name;
  const about = kind === 'Pod' ? { pod: path, podUID: uid } : null;
  report({ kind: 'event', type, reason, object: `${kind.toLowerCase()}/${path}`, message }, about);
}
