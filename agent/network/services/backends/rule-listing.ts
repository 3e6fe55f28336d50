/** What the kernel has of a Service, beside what it should have: each mode reads it back in its own way. */
import type { ServiceEntry } from '../model/service-entry.ts';

/** In the order in which people look at them. */
export type RuleState = 'in force' | 'missing' | 'different' | 'foreign';

export interface ListedRule {
  readonly state: RuleState;
  /** The chain, set or map: `ip kube-proxy service-ips`, `nat KUBE-SVC-...` */
  readonly where: string;
  /** As the kernel has it; of a missing one, as it should have it. */
  readonly text: string;
}

/** What was read of the kernel at one time. */
export interface KernelRules {
  /** Sentences about what all Services need and the kernel does not have. */
  readonly problems: readonly string[];
  of(service: ServiceEntry): readonly ListedRule[];
  /** Why the kernel would not accept the Service's rules; undefined when it would. Nothing is changed. */
  rejection(service: ServiceEntry): Promise<string | undefined>;
}

/** How the kernel's text of one rule or element compares with what is wanted. */
export function compared(where: string, wanted: string, found: string | undefined): ListedRule {
  if (found === undefined) return { state: 'missing', where, text: wanted };
  return { state: found === wanted ? 'in force' : 'different', where, text: found };
}
