/** What the rules of policies mean, to people who watch a packet pass them. */
import { POLICY_TABLE } from './policy-table.ts';
import { QUIET, type Explain } from '../trace/explanation.ts';

/** Of chains that are named by their direction and their rules. */
export const explainPolicies: Explain = ({ table, chain, text, comment, verdict }) => {
  if (table !== POLICY_TABLE) return undefined;
  const direction = /^(ingress|egress)-[0-9a-f]/.exec(chain)?.[1];
  const named = (comment ?? '').split(' ').join(', ');
  if (direction && verdict === 'return') return { text: `NetworkPolicy ${named} allows it (${direction})` };
  if (direction && verdict === 'drop') {
    const side = direction === 'ingress' ? 'to the pod it goes to' : 'to the pod it comes from';
    return {
      text: `no rule of NetworkPolicy ${named}, which applies ${side}, allows it (${direction})`,
      cause: 'network-policy',
    };
  }
  if (verdict === 'drop') return { text: `dropped on behalf of network policies: ${text}`, cause: 'network-policy' };
  return QUIET;
};
