/** When tokens of pods are requested anew, whatever the host's clock says. */
import { test } from 'tap';
import type { ApiClient } from '../../../client/api-client.ts';
import { ServiceAccountTokens } from '../../../agent/volumes/written/service-account-tokens.ts';
import { WallClock } from '../../support/wall-clock.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const POD = { namespace: 'default', podName: 'web', podUid: 'u', serviceAccount: 'default' };
const WANTED = { ...POD, audience: '', expirationSeconds: 3600 };
const { signal } = new AbortController();

/** An api-server whose clock is ahead of the host's. It says that each token lives for an hour, and lets it live longer. */
class Issuer {
  requests = 0;
  readonly #aheadMs: number;
  constructor(aheadMs = 0) {
    this.#aheadMs = aheadMs;
  }

  tokenOf(issuedAtMs: number, lifeMs = HOUR_MS): string {
    const claims = { iat: issuedAtMs / 1000, exp: (issuedAtMs + lifeMs) / 1000, jti: this.requests };
    return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  }

  get client(): Pick<ApiClient, 'createSubresource'> {
    const createSubresource = async () => {
      this.requests++;
      const now = Date.now() + this.#aheadMs;
      const expirationTimestamp = new Date(now + HOUR_MS).toISOString();
      return { status: { token: this.tokenOf(now, YEAR_MS), expirationTimestamp } };
    };
    return { createSubresource } as unknown as ApiClient;
  }
}

const none = async (): Promise<undefined> => undefined;
const dueInMinutes = (tokens: ServiceAccountTokens): number =>
  Math.round(((tokens.nextDueAt('u') ?? Infinity) - performance.now()) / 60_000);

test('at 80 % of its life a token is due, however far the clocks of host and api-server are apart', async (t) => {
  for (const aheadMs of [0, 2 * HOUR_MS, -2 * HOUR_MS]) {
    const tokens = new ServiceAccountTokens(new Issuer(aheadMs).client);
    await tokens.tokenFor(WANTED, none, signal);
    t.equal(dueInMinutes(tokens), 48, `${aheadMs} ms ahead`);
  }
});

test('a clock that is set makes a token neither due nor last', async (t) => {
  using clock = new WallClock();
  const issuer = new Issuer();
  const tokens = new ServiceAccountTokens(issuer.client);
  const first = await tokens.tokenFor(WANTED, none, signal);
  for (const jump of [-24 * HOUR_MS, 48 * HOUR_MS]) {
    clock.jump(jump);
    t.equal(await tokens.tokenFor(WANTED, none, signal), first);
    t.equal(dueInMinutes(tokens), 48);
  }
  t.equal(issuer.requests, 1);
});

test('a token that the volume has is used until it is due; one from the future is replaced', async (t) => {
  for (const [ageMinutes, requests, due] of [
    [30, 0, 18],
    [50, 1, 48],
    [-120, 1, 48],
  ] as const) {
    const issuer = new Issuer();
    const tokens = new ServiceAccountTokens(issuer.client);
    const there = issuer.tokenOf(Date.now() - ageMinutes * 60_000);
    await tokens.tokenFor(WANTED, async () => there, signal);
    t.strictSame([issuer.requests, dueInMinutes(tokens)], [requests, due], `${ageMinutes} minutes old`);
  }
});
