import { LOCAL_PATH_CLASS, LOCAL_PATH_PROVISIONER } from '../../../api/domain/local-path.ts';
import { isDefaultClass, storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { makeOnce } from './made-once.ts';

/** Makes the storage class `local-path`, the default one unless there is another. Throws StatusError. */
export const offerLocalPathClass = (api: Pick<LocalApi, 'get' | 'list' | 'create' | 'update'>): Promise<void> =>
  makeOnce(api, 'kedge.io/local-path-class', () =>
    api.create(storageClasses, {
      metadata: {
        name: LOCAL_PATH_CLASS,
        annotations: {
          'storageclass.kubernetes.io/is-default-class': String(!api.list(storageClasses).some(isDefaultClass)),
        },
      },
      provisioner: LOCAL_PATH_PROVISIONER,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
    }),
  );
