import { mergeTolerations } from '../../../api/domain/taints.ts';
import { runtimeClasses } from '../../../api/kinds/node/runtime-class.ts';
import { own, setOwn } from '../../../api/machinery/own.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { RuntimeClass, Scheduling } from '../../../api/types/node/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { podOf } from './pod-request.ts';

type Overhead = PodSpec['overhead'];
/** What of a class concerns the pods that name it. */
type Entry = Pick<RuntimeClass, 'overhead' | 'scheduling'>;

function sameAmounts(a: Overhead = {}, b: Overhead = {}): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => {
      const [left, right] = [own(a, name), own(b, name)];
      return left !== undefined && right !== undefined && compareQuantities(left, right) === 0;
    })
  );
}

const refuse = ({ kind, name }: AdmissionRequest, problem: string) => forbidden(kind, name, problem);
const OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

function setOverhead(request: AdmissionRequest, spec: PodSpec, { overhead }: Entry): void {
  if (!overhead) return;
  const given = Object.keys(spec.overhead ?? {}).length > 0;
  if (given && !sameAmounts(spec.overhead, overhead.podFixed)) throw refuse(request, OTHER_OVERHEAD);
  if (overhead.podFixed) spec.overhead = { ...overhead.podFixed };
  else delete spec.overhead;
}

/** The pod only goes where its class runs, and bears what keeps others away from there. */
function setScheduling(request: AdmissionRequest, spec: PodSpec, scheduling: Scheduling): void {
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const selector = (spec.nodeSelector ??= {});
    const wanted = own(selector, key);
    if (wanted !== undefined && wanted !== value) {
      const ofClass = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}`;
      throw refuse(request, `conflict: ${ofClass}; pod.spec.nodeSelector[${key}] = ${wanted}`);
    }
    setOwn(selector, key, value);
  }
  const tolerations = (scheduling.tolerations ?? []).map((toleration) => ({ ...toleration }));
  const merged = mergeTolerations(spec.tolerations ?? [], tolerations);
  if (merged.length > 0) spec.tolerations = merged;
}

/** Sets the overhead and the scheduling constraints of a new pod's RuntimeClass. A pod's overhead is set by nothing else. */
export function runtimeClass(api: Pick<LocalApi, 'subscribe' | 'fresh'>): AdmissionPlugin {
  const classes = new Map<string, Entry>();
  api.subscribe(runtimeClasses, ({ name, object }) => {
    if (object) classes.set(name, { overhead: object.overhead, scheduling: object.scheduling });
    else classes.delete(name);
  });
  const classOf = (request: AdmissionRequest, { runtimeClassName }: PodSpec): Entry | undefined => {
    if (runtimeClassName === undefined) return undefined;
    const entry = classes.get(runtimeClassName);
    if (entry) return entry;
    throw refuse(request, `pod rejected: RuntimeClass ${JSON.stringify(runtimeClassName)} not found`);
  };
  const newSpec = (request: AdmissionRequest): PodSpec | undefined =>
    request.operation === 'CREATE' ? podOf(request)?.spec : undefined;

  const admit = (request: AdmissionRequest, spec: PodSpec): void => {
    const entry = classOf(request, spec);
    if (!entry) return;
    setOverhead(request, spec, entry);
    if (entry.scheduling) setScheduling(request, spec, entry.scheduling);
  };

  return {
    name: 'RuntimeClass',
    mutate(request) {
      const spec = newSpec(request);
      if (!spec) return undefined;
      const name = spec.runtimeClassName;
      // Another server may have just created it.
      const stale = name === undefined || classes.has(name) ? undefined : api.fresh();
      return stale ? stale.then(() => admit(request, spec)) : admit(request, spec);
    },
    validate(request) {
      const spec = newSpec(request);
      if (!spec) return;
      const overhead = classOf(request, spec)?.overhead;
      if (overhead) {
        if (!sameAmounts(spec.overhead, overhead.podFixed)) throw refuse(request, OTHER_OVERHEAD);
      } else if (spec.overhead !== undefined) {
        const problem = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
        throw refuse(request, problem);
      }
    },
  };
}
