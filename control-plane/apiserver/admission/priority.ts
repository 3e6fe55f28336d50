import { forbidden } from '../../../api/machinery/status-error.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { podOf } from './pod-request.ts';
import type { Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { PriorityClass } from '../../../api/types/scheduling/v1.gen.ts';

interface Priority {
  readonly value: number;
  readonly preemptionPolicy: NonNullable<PodSpec['preemptionPolicy']>;
}

interface ClassEntry extends Priority {
  readonly globalDefault: boolean;
}

const NO_PRIORITY: Priority = { value: 0, preemptionPolicy: 'PreemptLowerPriority' };

function resolve({ kind, name }: AdmissionRequest, spec: PodSpec, priority: Priority): void {
  const { value, preemptionPolicy } = priority;
  if (spec.priority !== undefined && spec.priority !== value) {
    throw forbidden(
      kind,
      name,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
    throw forbidden(
      kind,
      name,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  }
  spec.priority = value;
  spec.preemptionPolicy = preemptionPolicy;
}

/** Resolves the names of priority classes to numbers. */
export function priority(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const classes = new Map<string, ClassEntry>();
  api.subscribe(priorityClasses, ({ name, object }) => {
    if (!object) classes.delete(name);
    else {
      const { value = 0, globalDefault = false, preemptionPolicy = NO_PRIORITY.preemptionPolicy } = object;
      classes.set(name, { value, globalDefault, preemptionPolicy });
    }
  });

  /** The class for pods that name none; of several (a race of two creates) the lowest. */
  const defaultClass = (): [string, ClassEntry] | undefined =>
    [...classes].filter(([, entry]) => entry.globalDefault).sort(([, a], [, b]) => a.value - b.value)[0];

  const admitPod = (request: AdmissionRequest, spec: PodSpec): void => {
    if (!spec.priorityClassName) {
      const [name, entry] = defaultClass() ?? ['', NO_PRIORITY];
      if (name) spec.priorityClassName = name;
      resolve(request, spec, entry);
      return;
    }
    const entry = classes.get(spec.priorityClassName);
    if (!entry) {
      throw forbidden(request.kind, request.name, `no PriorityClass with name ${spec.priorityClassName} was found`);
    }
    resolve(request, spec, entry);
  };

  return {
    name: 'Priority',
    mutate(request) {
      const pod = podOf(request);
      if (!pod?.spec) return;
      if (request.operation === 'CREATE') admitPod(request, pod.spec);
      const before: Pod | undefined = request.old;
      const old = before?.spec;
      if (request.operation === 'UPDATE' && old) {
        // A client that does not know the fields does not take them away.
        pod.spec.priority ??= old.priority;
        pod.spec.preemptionPolicy ??= old.preemptionPolicy;
      }
    },
    validate({ operation, kind, name, object }) {
      if (kind.kind !== 'PriorityClass' || kind.group !== 'scheduling.k8s.io' || operation === 'DELETE') return;
      const priorityClass: PriorityClass | undefined = object;
      if (!priorityClass?.globalDefault) return;
      const [present] = defaultClass() ?? [];
      if (present !== undefined && present !== name) {
        throw forbidden(
          kind,
          name,
          `PriorityClass ${present} is already marked as default. Only one default can exist`,
        );
      }
    },
  };
}
