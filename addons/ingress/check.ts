/** What becomes of an Ingress that was written for ingress-nginx. Pure. */
import { isJsonObject } from '../../api/machinery/own.ts';
import type { Ingress } from '../../api/types/networking/v1.gen.ts';
import { ANNOTATIONS, isRefusal, PREFIX, readAnnotation, readPolicy } from './annotations/main.ts';
import { compile } from './model/compile.ts';
import type { ClusterView, ServiceFacts } from './model/cluster-view.ts';

export interface Finding {
  /** `differs`: it is taken, and not all of it is as with ingress-nginx. */
  readonly verdict: 'taken' | 'differs' | 'refused';
  /** An annotation, or a part of the Ingress. */
  readonly subject: string;
  readonly text: string;
}

export interface CheckedIngress {
  /** `namespace/name`. */
  readonly name: string;
  readonly findings: readonly Finding[];
}

const CLOSED = '; all paths of the Ingress are answered with 503';

/** Findings for an object of a manifest; none for what is no Ingress of networking.k8s.io/v1. */
export function checkIngress(object: unknown): CheckedIngress[] {
  if (!isJsonObject(object) || object['kind'] !== 'Ingress') return [];
  const metadata = isJsonObject(object['metadata']) ? object['metadata'] : {};
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
  const name = `${namespace}/${typeof metadata['name'] === 'string' ? metadata['name'] : '(without name)'}`;
  if (object['apiVersion'] !== 'networking.k8s.io/v1') {
    const text = `is not served any more by any Kubernetes since 1.22: write it as networking.k8s.io/v1`;
    return [{ name, findings: [{ verdict: 'refused', subject: `apiVersion ${String(object['apiVersion'])}`, text }] }];
  }
  const annotations = stringsOf(metadata['annotations']);
  const read = Object.entries(annotations)
    .filter(([annotation]) => annotation.startsWith(PREFIX))
    .map(([annotation, value]) => findingOf(annotation, value, namespace));
  const known = new Set(read.map(({ subject }) => subject));
  const together = readPolicy(annotations, namespace)
    .refusals.filter(({ annotation, problem }) => !known.has(annotation) || problem.startsWith('needs '))
    .map(({ annotation, problem }): Finding => ({ verdict: 'refused', subject: annotation, text: problem + CLOSED }));
  const ingress = { ...object, metadata: { ...metadata, namespace, annotations } } as unknown as Ingress;
  return [{ name, findings: [...read, ...together, ...pathFindings(ingress)] }];
}

function findingOf(annotation: string, value: string, namespace: string): Finding {
  const read = readAnnotation(annotation, value, namespace);
  if (isRefusal(read))
    return {
      verdict: 'refused',
      subject: annotation,
      text: read.problem + (read.closes ? CLOSED : '; it is left out'),
    };
  const { does = '', differs } = ANNOTATIONS.find(({ name }) => PREFIX + name === annotation) ?? {};
  return { verdict: differs === undefined ? 'taken' : 'differs', subject: annotation, text: differs ?? does };
}

/** What the compiler refuses, whatever else is in the cluster: there is a Service for every name. */
function pathFindings(ingress: Ingress): Finding[] {
  const classed = { ...ingress, spec: { ...ingress.spec, ingressClassName: 'nginx' } };
  const { problems } = compile(new EverythingThere(classed), { allowExternalNames: false, refused: new Set() });
  return problems
    .filter(({ reason }) => reason === 'PathRefused' || reason === 'PathConflict' || reason === 'BackendRefused')
    .map(({ message }) => ({ verdict: 'refused', subject: 'spec', text: message }));
}

class EverythingThere implements ClusterView {
  readonly ingresses: readonly Ingress[];
  readonly classes = [];
  readonly #ports: ServiceFacts['ports'];

  constructor(ingress: Ingress) {
    this.ingresses = [ingress];
    const backends = [
      ingress.spec?.defaultBackend,
      ...(ingress.spec?.rules ?? []).flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend)),
    ];
    this.#ports = backends.map((backend) => ({
      ...{ name: backend?.service?.port?.name ?? '', port: backend?.service?.port?.number ?? 0, targetPort: undefined },
    }));
  }

  service = (): ServiceFacts => ({
    ...{ type: 'ClusterIP', clusterIP: undefined, externalName: undefined, ports: this.#ports },
  });
  slices = () => [];
  secret = () => 'unknown' as const;
  configMap = () => 'unknown' as const;
}

const stringsOf = (annotations: unknown): Record<string, string> =>
  isJsonObject(annotations)
    ? Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key, String(value)]))
    : {};
