/** What the rules of the chains mean, to people who watch a packet pass them. */
import { QUIET, type Explain, type Explanation, type ExplanationContext } from '../../../trace/explanation.ts';
import { PREFIX } from './frame.ts';

/** @param rule with the words of iptables-save */
export const explainIptables: Explain = (rule, context) => {
  if (!rule.chain.startsWith(PREFIX)) return undefined;
  const [, target = ''] = / ?-[jg] (\S+)/.exec(rule.text) ?? [];
  const label = /--comment "?([^"]*?)"?(?: -|$)/.exec(rule.text)?.[1];
  const passed = { chain: rule.chain, text: rule.text, target, label, context };
  return WAYS.find(([pattern]) => pattern.test(rule.chain))?.[1](passed) ?? QUIET;
};

interface Passed {
  readonly chain: string;
  readonly text: string;
  readonly target: string;
  readonly label: string | undefined;
  readonly context: ExplanationContext;
}

const WAYS: readonly (readonly [RegExp, (passed: Passed) => Explanation | undefined])[] = [
  [/^KUBE-(SERVICES|NODEPORTS|S6-)/, atService],
  [
    /^KUBE-SEP-/,
    ({ text, target }) => {
      const to = /--to-destination (\S+)/.exec(text)?.[1];
      if (to !== undefined) return { text: `the endpoint ${to} is chosen`, leadsTo: to };
      return target === 'KUBE-MARK-MASQ'
        ? { text: "the pod reaches itself: the node's address is to take the place of its own" }
        : undefined;
    },
  ],
  [/^KUBE-(SVC|SVE|SVL)/, ({ text, target }) => spread(text, target)],
  [
    /^KUBE-EXT-/,
    ({ text, target }) => {
      if (/^KUBE-SVL-ALL/.test(target)) return { text: 'from a pod or this node itself: endpoints of every node' };
      if (/^KUBE-SVL-/.test(target)) return { text: 'from outside, and its policy is Local: endpoints of this node' };
      return target === 'KUBE-MARK-MASQ' || text === '' ? undefined : { text: 'from outside: endpoints of every node' };
    },
  ],
  [
    /^KUBE-POSTROUTING$/,
    ({ target }) => (target === 'MASQUERADE' ? { text: "masqueraded: it leaves with the node's address" } : undefined),
  ],
  [
    /^KUBE-FORWARD$/,
    ({ target }) => (target === 'DROP' ? { text: 'a packet of no connection', cause: 'no-connection' } : undefined),
  ],
  [/^KUBE-FIREWALL$/, () => ({ text: "from elsewhere to this node's loopback", cause: 'loopback' })],
];

function atService({ text, target, label, context }: Passed): Explanation | undefined {
  if (/^KUBE-(SVC|EXT)-/.test(target)) return { text: `it is a Service's: ${label} has chain ${target}` };
  if (target === 'REJECT')
    return / -m addrtype ! --dst-type LOCAL /.test(text)
      ? { text: 'rejected: an address of the Services at which nothing is served', cause: 'no-such-service' }
      : { text: `rejected: ${label} has no endpoints`, cause: 'no-endpoints' };
  if (target !== 'DROP') return undefined;
  const { service, header } = context;
  const isBalancer = service?.loadBalancerIPs.some((ip) => ip.text === header.destination?.text);
  return isBalancer && service?.loadBalancerSources
    ? { text: `the source ranges of ${label} do not admit ${header.source?.text}`, cause: 'source-ranges' }
    : { text: `${label} has no endpoint on this node, and its policy is Local`, cause: 'no-local-endpoints' };
}

function spread(text: string, target: string): Explanation | undefined {
  if (target === 'KUBE-MARK-MASQ')
    return { text: "the client is not in the pods' range: the node's address is to take the place of its own" };
  if (!target.startsWith('KUBE-SEP-')) return undefined;
  if (text.includes(' --rcheck ')) return { text: 'the client goes on to the endpoint that it had (affinity)' };
  const share = /--probability ([\d.]+)/.exec(text)?.[1];
  return { text: share === undefined ? 'the last endpoint in the list' : `by chance (${Number(share).toFixed(2)})` };
}
