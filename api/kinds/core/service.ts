import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { serviceColumns } from './service-columns.ts';
import { applyServiceDefaults, prepareServiceForCreate, prepareServiceForUpdate } from './service-rules.ts';
import { loadBalancerWarnings } from '../../domain/address-warnings.ts';
import { validateLoadBalancerStatus } from './service-address-validation.ts';
import { serviceWarnings } from './service-warnings.ts';
import { validateService, validateServiceUpdate } from './service-validation.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { Service } from '../../types/core/v1.gen.ts';
import { serviceProxy } from './proxy-options.ts';

export const services = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: Service,
  returnDeletedObject: true,
  subresources: [
    serviceProxy,
    statusSubresource<Service>({ validate: validateLoadBalancerStatus, warnings: loadBalancerWarnings }),
  ],
  validateName: validateLabelName,
  createOnUpdate: true,
  columns: serviceColumns,
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  applyDefaults: applyServiceDefaults,
  prepareForCreate: prepareServiceForCreate,
  prepareForUpdate: prepareServiceForUpdate,
  validate: validateService,
  warnings: serviceWarnings,
  validateUpdate: validateServiceUpdate,
});
