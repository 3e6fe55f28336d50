/** Session persistence of a rule, by a cookie. Pure. https://gateway-api.sigs.k8s.io/geps/gep-1619/ */
import type { Session } from '../model/routing.ts';
import { UnsupportedError } from './matches.ts';
import type { RouteRuleSpec } from './objects.ts';
import { durationMs } from './time-limits.ts';

const DEFAULT_NAME = 'kedge-session';
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const SECOND_MS = 1_000;

/** Undefined when the rule has none. Throws UnsupportedError. */
export function readSession({ sessionPersistence: said }: RouteRuleSpec<unknown>): Session | undefined {
  if (!said) return undefined;
  const { type = 'Cookie', sessionName = DEFAULT_NAME, absoluteTimeout, idleTimeout, cookieConfig } = said;
  if (type !== 'Cookie') throw new UnsupportedError(`session persistence of type ${type} is not supported: Cookie is`);
  if (!NAME.test(sessionName)) throw new UnsupportedError(`${JSON.stringify(sessionName)} is no name of a cookie`);
  const lifeSeconds = absoluteTimeout === undefined ? undefined : secondsOf(absoluteTimeout);
  const isPermanent = cookieConfig?.lifetimeType === 'Permanent';
  if (isPermanent && lifeSeconds === undefined)
    throw new UnsupportedError('a permanent cookie needs an absoluteTimeout');
  return {
    cookie: sessionName,
    lifeSeconds,
    idleSeconds: idleTimeout === undefined ? undefined : secondsOf(idleTimeout),
    isPermanent,
  };
}

const secondsOf = (text: string): number => Math.max(1, Math.ceil(durationMs(text) / SECOND_MS));
