import { failure, ok, warning, type Finding } from './finding.ts';

export interface InstallationFacts {
  /** The names of this host's processes. */
  readonly processes: ReadonlySet<string>;
  /** Of `TRACES`, the paths that are there. */
  readonly paths: readonly string[];
}

/** Process, what it does to a node of Kedge. */
const RIVALS: ReadonlyMap<string, string> = new Map([
  ['kubelet', 'runs pods here, at the same port and in the same directories'],
  ['kube-proxy', 'writes the rules of Services, too'],
  ['k3s-server', 'is a node of another cluster'],
  ['k3s-agent', 'is a node of another cluster'],
  ['k3s', 'is a node of another cluster'],
  ['rke2', 'is a node of another cluster'],
  ['k0s', 'is a node of another cluster'],
  ['kubelite', 'is a node of another cluster (microk8s)'],
]);

/** What other installations leave, and who. */
export const TRACES: ReadonlyMap<string, string> = new Map([
  ['/etc/kubernetes/kubelet.conf', 'kubeadm'],
  ['/etc/kubernetes/manifests', 'kubeadm'],
  ['/etc/rancher/k3s', 'k3s'],
  ['/var/lib/rancher/k3s', 'k3s'],
  ['/var/lib/rancher/rke2', 'rke2'],
  ['/var/lib/k0s', 'k0s'],
  ['/var/snap/microk8s', 'microk8s'],
]);

/** Pure. */
export function judgeInstallations({ processes, paths }: InstallationFacts): Finding[] {
  const running = [...RIVALS].filter(([name]) => processes.has(name));
  if (running.length > 0)
    return running.map(([name, what]) =>
      failure(
        `${name} runs: it ${what}`,
        'one Kubernetes on a host',
        `stop and remove it (systemctl disable --now ${name})`,
      ),
    );
  if (paths.length === 0) return [ok('no other Kubernetes on this host')];
  return paths.map((path) =>
    warning(
      `${path} is there, of ${TRACES.get(path)}`,
      'nothing of another installation: its rules and links may still be in the kernel',
      'remove it as its documentation says, and reboot',
    ),
  );
}
