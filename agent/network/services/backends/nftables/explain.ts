/** What the rules of the table mean, to people who watch a packet pass them. */
import { QUIET, type Explain, type Explanation } from '../../../trace/explanation.ts';
import { TABLES } from './layout.ts';

const OUR_TABLES: ReadonlySet<string> = new Set(Object.values(TABLES).map(({ family, name }) => `${family} ${name}`));

/** `endpoints-12`, `external-endpoints-12`, `nodeport-endpoints-12` */
const SHARED = /^(?:external-|nodeport-)?endpoints-(\d+)$/;
/** A chain of one port of a Service: `external-1b2c3d4e5f607182-default/web/tcp/http` */
const OWN = /^(cluster|local|external|endpoint|firewall)-[0-9a-f]{16}-([^/]+\/[^/]+)\//;

export const explainNftables: Explain = (rule, { header }) => {
  if (!OUR_TABLES.has(rule.table)) return undefined;
  const { chain, text, verdict } = rule;
  const target = /^(?:goto|jump) (\S+)$/.exec(verdict)?.[1];
  const known = FIXED.get(chain);
  if (known) return known(text, verdict, target) ?? QUIET;
  if (SHARED.test(chain)) return text.includes(' dnat ') ? chosen(SHARED.exec(chain)?.[1]) : QUIET;
  const [, role, service] = OWN.exec(chain) ?? [];
  return (role && ofService(role, `${service}`, { text, verdict, target, client: header.source?.text })) || QUIET;
};

type OfChain = (text: string, verdict: string, target: string | undefined) => Explanation | undefined;

const FIXED: ReadonlyMap<string, OfChain> = new Map<string, OfChain>([
  [
    'services',
    (text, _, target) => {
      if (target === 'mark-for-masquerade')
        return { text: "the client is not in the pods' range: the node's address is to take the place of its own" };
      const map = /vmap @(\S+)/.exec(text)?.[1];
      return map && target ? { text: `it is a Service's: map ${map} leads to chain ${target}` } : undefined;
    },
  ],
  [
    'endpoints-check',
    (text, verdict) => {
      if (!/@no-endpoint/.test(text))
        return { text: 'an address of the Services at which nothing is served', cause: 'no-such-service' };
      return verdict === 'drop'
        ? { text: 'the Service has no endpoint on this node, and its policy is Local', cause: 'no-local-endpoints' }
        : { text: 'the Service has no endpoints', cause: 'no-endpoints' };
    },
  ],
  ['reject-chain', () => ({ text: 'rejected: the client is told that nothing is at that port' })],
  [
    'firewall-check',
    (text) => (/@firewall-ips/.test(text) ? { text: 'only some clients are admitted there' } : undefined),
  ],
  [
    'masquerading',
    (text) => {
      if (!text.includes('masquerade')) return undefined;
      if (text.includes('@hairpin-connections'))
        return { text: "the pod reaches itself: masqueraded, it comes from the node's address" };
      return { text: "masqueraded: it leaves with the node's address" };
    },
  ],
  [
    'filter-forward',
    (_, verdict) => (verdict === 'drop' ? { text: 'a packet of no connection', cause: 'no-connection' } : undefined),
  ],
  [
    'loopback-guard',
    (_, verdict) =>
      verdict === 'drop' ? { text: "from elsewhere to this node's loopback", cause: 'loopback' } : undefined,
  ],
]);

const chosen = (count: string | undefined): Explanation => ({
  leadsTo: '',
  text: count === '1' ? 'the one endpoint is chosen' : `one of ${count} endpoints is chosen at random`,
});

interface Passed {
  readonly text: string;
  readonly verdict: string;
  readonly target: string | undefined;
  readonly client: string | undefined;
}

function ofService(role: string, service: string, { text, verdict, target, client }: Passed): Explanation | undefined {
  switch (role) {
    case 'firewall':
      return verdict === 'drop'
        ? { text: `the source ranges of ${service} do not admit ${client}`, cause: 'source-ranges' }
        : { text: `the source ranges of ${service} admit ${client}` };
    case 'external':
      if (!target || target === 'mark-for-masquerade') return undefined;
      return { text: externalWay(OWN.exec(target)?.[1], text) };
    case 'endpoint':
      return text.includes(' dnat ') ? { text: 'the endpoint is chosen', leadsTo: toOf(text) } : undefined;
    default: {
      if (text.includes(' dnat ')) return chosen(/ mod (\d+)/.exec(text)?.[1]);
      const isKept = / saddr @affinity-/.test(text);
      return {
        text: isKept ? 'the client goes on to the endpoint that it had (affinity)' : 'a client not seen lately',
      };
    }
  }
}

const toOf = (text: string): string => / dnat to (\S+)$/.exec(text)?.[1] ?? '';

function externalWay(role: string | undefined, text: string): string {
  if (role === 'local') return 'from outside, and its policy is Local: endpoints of this node';
  if (/ saddr /.test(text)) return 'from a pod or this node itself: endpoints of every node';
  return 'from outside: endpoints of every node';
}
