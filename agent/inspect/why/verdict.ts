/** What `kedge why` says. */

/** The way of a pod, in the order in which it is walked. */
export type Step =
  | 'existence'
  | 'scheduling'
  | 'agent'
  | 'admission'
  | 'runtime'
  | 'deletion'
  | 'volumes'
  | 'sandbox'
  | 'network'
  | 'image'
  | 'configuration'
  | 'start'
  | 'probes'
  | 'node';

export interface Verdict {
  /** The first step at which something is wrong; undefined when nothing is. */
  readonly step?: Step;
  /** A sentence without its end. */
  readonly text: string;
  /** Words of others that show it: Events, log lines, the kernel's messages. */
  readonly evidence: readonly string[];
  /** What a person can do about it. */
  readonly advice?: string;
}

export const fine = (text: string): Verdict => ({ text, evidence: [] });
export const wrong = (step: Step, text: string, evidence: readonly string[], advice?: string): Verdict => ({
  ...{ step, text, evidence },
  ...(advice !== undefined && { advice }),
});
