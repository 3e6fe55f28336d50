import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { classOf } from '../../../api/kinds/core/volume-access.ts';
import { storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { own } from '../../../api/machinery/own.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin } from './plugin.ts';

const sizeOf = ({ spec }: PersistentVolumeClaim): string => own(spec?.resources?.requests, 'storage') ?? '0';
const nameOfClass = ({ metadata, spec }: PersistentVolumeClaim): string => classOf(metadata, spec?.storageClassName);

/**
 * Claims only grow where their class allows it.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#persistentvolumeclaimresize
 */
export function persistentVolumeClaimResize(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const expandable = new Set<string>();
  api.subscribe(storageClasses, ({ name, object }) => {
    if (object?.allowVolumeExpansion) expandable.add(name);
    else expandable.delete(name);
  });
  return {
    name: 'PersistentVolumeClaimResize',
    validate({ operation, kind, subresource, object, old, name }) {
      if (operation !== 'UPDATE' || kind !== persistentVolumeClaims || subresource !== '') return;
      const [claim, before]: PersistentVolumeClaim[] = [object ?? {}, old ?? {}];
      if (!claim || !before || compareQuantities(sizeOf(claim), sizeOf(before)) <= 0) return;
      if (before.status?.phase !== 'Bound') {
        throw forbidden(kind, name, 'Only bound persistent volume claims can be expanded');
      }
      const storageClass = nameOfClass(claim);
      if (storageClass && storageClass === nameOfClass(before) && expandable.has(storageClass)) return;
      const why =
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize';
      throw forbidden(kind, name, why);
    },
  };
}
