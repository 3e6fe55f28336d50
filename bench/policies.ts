/** NetworkPolicies: how long the agent computes after a change, by the pods of the cluster. */
import { compile } from '../agent/network/policy/compile.ts';
import { podFacts, type PodFacts } from '../agent/network/policy/pod-facts.ts';
import { policyFacts, type PolicyFacts } from '../agent/network/policy/policy-facts.ts';
import { changes } from '../agent/network/policy/table-content.ts';
import type { MeasureId } from './measures.ts';
import { median, type Report } from './report.ts';

const NAMESPACES = 20;
const POLICIES = 100;
/** Of the node that computes. */
const LOCAL_PODS = 60;
const RUNS = 21;
const SIZES: ReadonlyMap<MeasureId, number> = new Map([
  ['policies100', 100],
  ['policies1000', 1_000],
  ['policies10000', 10_000],
]);

const namespaceOf = (index: number): string => `ns-${index % NAMESPACES}`;

/** With labels of ten applications in three tiers, of which some namespaces have several pods that are alike. */
const podOf = (index: number): PodFacts =>
  podFacts({
    metadata: {
      ...{ namespace: namespaceOf(index), name: `pod-${index}`, uid: `uid-${index}` },
      labels: { app: `app-${index % 10}`, tier: `tier-${index % 3}`, pod: `pod-${index}` },
    },
    spec: {
      nodeName: index < LOCAL_PODS ? 'here' : 'elsewhere',
      containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }],
    },
    status: { phase: 'Running', podIPs: [{ ip: `10.42.${index >> 8}.${index & 0xff}` }] },
  });

/** Both directions, with peers by labels and by range, and ports by number and by name. */
const policyOf = (index: number): PolicyFacts =>
  policyFacts({
    metadata: { namespace: namespaceOf(index), name: `policy-${index}` },
    spec: {
      podSelector: { matchLabels: { app: `app-${index % 10}` } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { team: `team-${index % 4}` } },
              podSelector: { matchLabels: { tier: `tier-${index % 3}` } },
            },
          ],
          ports: [{ port: 80 }, { port: 'http' }],
        },
      ],
      egress: [
        {
          to: [{ podSelector: {} }, { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }],
          ports: [{ port: 'http' }],
        },
      ],
    },
  });

export function measurePolicies(report: Report): Promise<void> {
  const policies = Array.from({ length: POLICIES }, (_, index) => policyOf(index));
  const namespaces = new Map(
    Array.from({ length: NAMESPACES }, (_, index) => [namespaceOf(index), { team: `team-${index % 4}` }]),
  );
  for (const [key, size] of SIZES) {
    if (!report.wants(key)) continue;
    const pods = Array.from({ length: size }, (_, index) => podOf(index));
    const local = pods.slice(0, LOCAL_PODS);
    let before = compile({ policies, namespaces, pods, local });
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      // The pod that has gone comes back: each run differs from the one before it.
      const now = run % 2 === 0 ? pods.slice(0, -1) : pods;
      const startedAt = performance.now();
      const content = compile({ policies, namespaces, pods: now, local });
      if (changes('inet bench', before, content) === '') throw new Error('a pod has gone, and the table is the same');
      times.push(performance.now() - startedAt);
      before = content;
    }
    report.add(key, median(times));
  }
  return Promise.resolve();
}
