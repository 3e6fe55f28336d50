/** What the rules of a proxy mode mean for a packet that has matched them: each mode says it of its own. */
import type { TracedHeader, TracedRule } from '../netfilter/trace-text.ts';
import type { ServiceEntry } from '../services/model/service-entry.ts';

/** Why a packet does not reach an endpoint. */
export type Cause =
  | 'no-endpoints'
  | 'no-local-endpoints'
  | 'source-ranges'
  | 'no-such-service'
  | 'network-policy'
  | 'no-connection'
  | 'loopback'
  | 'other-rule';

export interface Explanation {
  /** What the rule does, as a sentence without its end. */
  readonly text: string;
  /** The rule gives the packet another destination; the text of that where the rule has it. */
  readonly leadsTo?: string;
  /** What a packet that is dropped now, or a little later, is dropped for. */
  readonly cause?: Cause;
}

export interface ExplanationContext {
  /** The packet as it came into the chain's base chain. */
  readonly header: TracedHeader;
  /** The Service that the connection is to. */
  readonly service: ServiceEntry | undefined;
}

/** Undefined for a rule of others, and `QUIET` for one that means nothing to people. */
export type Explain = (rule: TracedRule, context: ExplanationContext) => Explanation | typeof QUIET | undefined;
export const QUIET = 'quiet';
