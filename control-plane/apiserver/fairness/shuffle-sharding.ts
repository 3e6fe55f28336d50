/**
 * Shuffle sharding: each flow is dealt a hand of queues by its hash, so that a few heavy flows fill only a few of the queues, and
 * another flow finds one in its hand that they do not. As upstream's `pkg/util/shufflesharding`.
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#queuing
 */
import { createHash } from 'node:crypto';

/** The 64 bits with which a flow is dealt its hand. */
export function hashOfFlow(schema: string, distinguisher: string): bigint {
  return createHash('sha256').update(`${schema}\0${distinguisher}`).digest().readBigUInt64LE();
}

/** `handSize` different numbers below `deckSize`, which must not be less. */
export function dealHand(hash: bigint, deckSize: number, handSize: number): number[] {
  const remainders: number[] = [];
  let rest = hash;
  for (let index = 0; index < handSize; index++) {
    const left = BigInt(deckSize - index);
    remainders.push(Number(rest % left));
    rest /= left;
  }
  const hand: number[] = [];
  for (let index = 0; index < handSize; index++) {
    let card = remainders[index] ?? 0;
    // Each remainder counts among the cards that the ones before have left.
    for (let before = index; before > 0; before--) if (card >= (remainders[before - 1] ?? 0)) card++;
    hand.push(card);
  }
  return hand;
}
