/** Conditions of the Gateway API, as they are reported. Pure. */
import type { Condition } from './objects.ts';

const MAX_MESSAGE = 1_024;
const condition = (type: string, status: 'True' | 'False', reason: string, message: string): Condition => ({
  ...{ type, status, reason },
  message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}...` : message,
});

export const isTrue = (type: string, reason: string, message = ''): Condition =>
  condition(type, 'True', reason, message);
export const isFalse = (type: string, reason: string, message: string): Condition =>
  condition(type, 'False', reason, message);

/** What is wrong, for a condition with status False. */
export interface Fault {
  readonly reason: string;
  readonly message: string;
}
export const fault = (reason: string, message: string): Fault => ({ reason, message });

/** @param good the reason when nothing is wrong */
export const conditionOf = (type: string, good: string, wrong: Fault | undefined): Condition =>
  wrong ? isFalse(type, wrong.reason, wrong.message) : isTrue(type, good);
