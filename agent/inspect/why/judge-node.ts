/** The first thing that is wrong with a node: what others depend on comes first. Pure. */
import type { Node } from '../../../api/types/core/v1.gen.ts';
import type { CheckedFinding } from '../doctor/finding.ts';
import { fine, wrong, type Verdict } from './verdict.ts';

export interface NodeEvidence {
  readonly name: string;
  readonly findings: readonly CheckedFinding[];
  /** As the api-server has it; undefined when it does not answer, or has none. */
  readonly node: Node | undefined;
}

/** The checks of `kedge doctor`, each before what it is the cause of. */
const ORDER = [
  ...[
    'kernel',
    'cgroups',
    'modules',
    'memory',
    'disk',
    'installations',
    'programs',
    'clock',
    'certificates',
    'containerd',
  ],
  ...['cni', 'sysctls', 'dns', 'ports', 'node', 'firewall'],
];

export function judgeNode({ name, findings, node }: NodeEvidence): Verdict {
  const inOrder = findings.toSorted((a, b) => ORDER.indexOf(a.check) - ORDER.indexOf(b.check));
  const of = (level: CheckedFinding['level']): CheckedFinding | undefined => inOrder.find((one) => one.level === level);
  const conditions = (node?.status?.conditions ?? []).filter(
    ({ type, status }) => (type === 'Ready') !== (status === 'True'),
  );
  const said = conditions.map(
    ({ type, status, reason, message }) => `condition ${type} is ${status} (${reason}): ${message}`,
  );
  const failed = of('failure');
  if (failed) return wrong('node', `${failed.check}: ${failed.found}`, said, failed.mend);
  const [condition] = conditions;
  if (condition)
    return wrong(
      'node',
      `the node has condition ${condition.type}=${condition.status} (${condition.reason}): ${condition.message}`,
      said,
    );
  const doubtful = of('warning');
  if (doubtful) return wrong('node', `${doubtful.check}: ${doubtful.found}`, said, doubtful.mend);
  if (node?.spec?.unschedulable)
    return wrong('node', `node ${name} is well, and takes no new pods: it is cordoned`, [], `kubectl uncordon ${name}`);
  return fine(`nothing is wrong with node ${name}`);
}
