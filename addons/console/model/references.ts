/** What an object names in its fields: what it uses. */
import { at, listAt, mapAt, textAt, type KubeObject } from './object.ts';

export interface Reference {
  readonly group: string;
  readonly resource: string;
  readonly name: string;
}

export function referencesOf(
  { group, resource }: { group: string; resource: string },
  object: KubeObject,
): Reference[] {
  const found = new Map<string, Reference>();
  const add = (toGroup: string, toResource: string, name: string): void => {
    if (name !== '') found.set(`${toGroup}/${toResource}/${name}`, { group: toGroup, resource: toResource, name });
  };
  const template = at(object, 'spec', 'jobTemplate', 'spec', 'template') ?? at(object, 'spec', 'template');
  const podSpec =
    template === undefined ? (resource === 'pods' ? at(object, 'spec') : undefined) : at(template, 'spec');
  if (podSpec !== undefined) addOfPod(podSpec, add);
  if (group === 'networking.k8s.io' && resource === 'ingresses') addOfIngress(object, add);
  if (resource === 'persistentvolumeclaims') {
    add('', 'persistentvolumes', textAt(object, 'spec', 'volumeName'));
    add('storage.k8s.io', 'storageclasses', textAt(object, 'spec', 'storageClassName'));
  }
  return [...found.values()];
}

type Add = (group: string, resource: string, name: string) => void;

function addOfPod(spec: unknown, add: Add): void {
  add('', 'nodes', textAt(spec, 'nodeName'));
  add('', 'serviceaccounts', textAt(spec, 'serviceAccountName'));
  for (const volume of listAt(spec, 'volumes')) {
    add('', 'configmaps', textAt(volume, 'configMap', 'name'));
    add('', 'secrets', textAt(volume, 'secret', 'secretName'));
    add('', 'persistentvolumeclaims', textAt(volume, 'persistentVolumeClaim', 'claimName'));
    for (const source of listAt(volume, 'projected', 'sources')) {
      add('', 'configmaps', textAt(source, 'configMap', 'name'));
      add('', 'secrets', textAt(source, 'secret', 'name'));
    }
  }
  for (const container of [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')]) {
    for (const source of listAt(container, 'envFrom')) {
      add('', 'configmaps', textAt(source, 'configMapRef', 'name'));
      add('', 'secrets', textAt(source, 'secretRef', 'name'));
    }
    for (const variable of listAt(container, 'env')) {
      add('', 'configmaps', textAt(variable, 'valueFrom', 'configMapKeyRef', 'name'));
      add('', 'secrets', textAt(variable, 'valueFrom', 'secretKeyRef', 'name'));
    }
  }
  for (const secret of listAt(spec, 'imagePullSecrets')) add('', 'secrets', textAt(secret, 'name'));
}

function addOfIngress(object: KubeObject, add: Add): void {
  add('', 'services', textAt(object, 'spec', 'defaultBackend', 'service', 'name'));
  add('networking.k8s.io', 'ingressclasses', textAt(object, 'spec', 'ingressClassName'));
  for (const rule of listAt(object, 'spec', 'rules'))
    for (const path of listAt(rule, 'http', 'paths')) add('', 'services', textAt(path, 'backend', 'service', 'name'));
  for (const tls of listAt(object, 'spec', 'tls')) add('', 'secrets', textAt(tls, 'secretName'));
}

/** The label selector by which an object finds its pods; undefined when it has none. */
export function podSelectorOf(object: KubeObject): string | undefined {
  const selector = mapAt(object, 'spec', 'selector');
  const labels =
    'matchLabels' in selector || 'matchExpressions' in selector ? mapAt(selector, 'matchLabels') : selector;
  const terms = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  for (const expression of listAt(selector, 'matchExpressions')) {
    const key = textAt(expression, 'key');
    const values = listAt(expression, 'values').map(String).join(',');
    const operator = textAt(expression, 'operator');
    if (operator === 'In') terms.push(`${key} in (${values})`);
    else if (operator === 'NotIn') terms.push(`${key} notin (${values})`);
    else if (operator === 'Exists') terms.push(key);
    else if (operator === 'DoesNotExist') terms.push(`!${key}`);
  }
  return terms.length > 0 ? terms.join(',') : undefined;
}
