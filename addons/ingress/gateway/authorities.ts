/** CA certificates that objects refer to: https://gateway-api.sigs.k8s.io/geps/gep-91/. Pure. */
import { caOfMap, ContentError } from '../model/secrets.ts';
import { fault, type Fault } from './conditions.ts';
import type { ObjectReference } from './objects.ts';
import type { GatewayView } from './view.ts';

/**
 * PEM of the certificates in a ConfigMap, or what is wrong.
 * @param oddKind the reason for a reference to something else
 */
export function readCa(
  view: GatewayView,
  namespace: string,
  { group = '', kind = 'ConfigMap', name }: ObjectReference,
  oddKind: string,
): string | Fault {
  if (group !== '' || kind !== 'ConfigMap')
    return fault(oddKind, `CA certificates of kind ${kind} are not supported: ConfigMaps are`);
  const wrong = (message: string): Fault =>
    fault('InvalidCACertificateRef', `ConfigMap ${namespace}/${name} ${message}`);
  const map = view.configMap(namespace, name);
  if (!map) return wrong('does not exist');
  if (map === 'unknown') return wrong('has not been read yet');
  try {
    return caOfMap(map);
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    return wrong(error.message);
  }
}
