/** Which pods leave a node that is drained, as `kubectl drain --ignore-daemonsets --delete-emptydir-data --force` has it. */
import { at, listAt, textAt, type KubeObject } from './object.ts';

const MIRROR = 'kubernetes.io/config.mirror';

export interface Leaving {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Nothing makes it again elsewhere. */
  readonly isBare: boolean;
  /** What it has written there is lost. */
  readonly hasEmptyDir: boolean;
}

export interface DrainPlan {
  readonly leaving: readonly Leaving[];
  /** How many pods stay: those of DaemonSets and of the node itself. */
  readonly staying: number;
}

export function planDrain(pods: readonly KubeObject[]): DrainPlan {
  const leaving: Leaving[] = [];
  for (const pod of pods) {
    const { namespace = '', name = '', uid = '', annotations = {}, ownerReferences = [] } = pod.metadata ?? {};
    const isFinished = ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'));
    const controller = ownerReferences.find((owner) => owner.controller === true);
    if (Object.hasOwn(annotations, MIRROR) || (controller?.kind === 'DaemonSet' && !isFinished)) continue;
    leaving.push({
      namespace,
      name,
      uid,
      isBare: controller === undefined,
      hasEmptyDir: listAt(pod, 'spec', 'volumes').some((volume) => at(volume, 'emptyDir') !== undefined),
    });
  }
  return { leaving, staying: pods.length - leaving.length };
}
