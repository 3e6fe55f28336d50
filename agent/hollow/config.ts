/** Settings of `kedge hollow`. */
import { validateLabelName } from '../../api/machinery/names.ts';
import { integerFrom, logLevelRule, quantity, type SettingRules } from '../../daemon/setting-rules.ts';
import { MAX_HOLLOW_NODES } from './addresses.ts';

export const defaultHollowConfig = {
  kubeconfig: '',
  nodes: 10,
  prefix: 'hollow',
  zones: 3,
  cpu: '32',
  memory: '256Gi',
  disk: '1Ti',
  maxPods: 110,
  leaseSeconds: 40,
  completeAfterSeconds: 1,
  logLevel: 'info',
};

export type HollowConfig = Readonly<typeof defaultHollowConfig>;

const hollowConfigHelp: Readonly<Record<keyof HollowConfig, string>> = {
  kubeconfig: "an administrator's kubeconfig; by default the first file of $KUBECONFIG, or /etc/kedge/admin.kubeconfig",
  nodes: 'how many nodes',
  prefix: 'the names of the nodes are PREFIX-0, PREFIX-1, ...; also the value of their label kedge.io/hollow',
  zones: 'how many zones they are spread over; 0 for nodes without a zone',
  cpu: 'processors of each node',
  memory: 'memory of each node',
  disk: 'ephemeral storage of each node',
  maxPods: 'how many pods a node can run',
  leaseSeconds: 'duration of the Leases, which are renewed after a quarter of it',
  completeAfterSeconds: 'how long containers run that are not restarted, as those of Jobs',
  logLevel: 'least severe level that is logged',
};

const rules: SettingRules<HollowConfig> = {
  nodes: integerFrom(1, MAX_HOLLOW_NODES),
  prefix: (value) => {
    const [problem] = validateLabelName(value);
    return problem === undefined ? undefined : `cannot be used: ${problem}`;
  },
  zones: integerFrom(0),
  cpu: quantity,
  memory: quantity,
  disk: quantity,
  maxPods: integerFrom(1),
  leaseSeconds: integerFrom(4),
  completeAfterSeconds: integerFrom(0),
  logLevel: logLevelRule,
};

export const hollowSettings = { defaults: defaultHollowConfig, help: hollowConfigHelp, rules };
