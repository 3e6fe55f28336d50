/** What the rules of the table mean, to people who watch a packet pass them. Which endpoint IPVS chooses, no rule tells. */
import { QUIET, type Explain, type Explanation } from '../../../trace/explanation.ts';
import { TABLES } from './layout.ts';

const OUR_TABLES: ReadonlySet<string> = new Set(Object.values(TABLES).map(({ family, name }) => `${family} ${name}`));

export const explainIpvs: Explain = ({ table, chain, text, verdict }) =>
  OUR_TABLES.has(table) ? (ofChain(chain, text, verdict) ?? QUIET) : undefined;

function ofChain(chain: string, text: string, verdict: string): Explanation | undefined {
  switch (chain) {
    case 'firewall-check':
      return verdict === 'drop'
        ? { text: 'the source ranges of the Service do not admit the client', cause: 'source-ranges' }
        : undefined;
    case 'service-check':
      if (/@no-endpoint/.test(text))
        return verdict === 'drop'
          ? { text: 'the Service has no endpoint on this node, and its policy is Local', cause: 'no-local-endpoints' }
          : { text: 'the Service has no endpoints', cause: 'no-endpoints' };
      return { text: 'an address of the Services that has no virtual server at that port', cause: 'no-such-service' };
    case 'address-check':
      return { text: 'an address of the Services at which nothing is served', cause: 'no-such-service' };
    case 'reject-chain':
      return { text: 'rejected: the client is told that nothing is at that port' };
    case 'services':
      return verdict.includes('mark-for-masquerade')
        ? { text: "the node's address is to take the place of the client's" }
        : undefined;
    case 'masquerading':
      return text.includes('masquerade') ? { text: "masqueraded: it leaves with the node's address" } : undefined;
    case 'filter-forward':
      return verdict === 'drop' ? { text: 'a packet of no connection', cause: 'no-connection' } : undefined;
    case 'loopback-guard':
      return verdict === 'drop' ? { text: "from elsewhere to this node's loopback", cause: 'loopback' } : undefined;
    default:
      return undefined;
  }
}
