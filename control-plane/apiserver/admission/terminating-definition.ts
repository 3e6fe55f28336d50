import { forbidden } from '../../../api/machinery/status-error.ts';
import type { AdmissionPlugin } from './plugin.ts';

/**
 * No write of any verb creates a custom resource whose definition is being deleted: the definition goes once the last one has gone.
 * Those that are there can be updated, so that their finalizers can be removed.
 */
export const terminatingDefinition: AdmissionPlugin = {
  name: 'TerminatingDefinition',
  mutate({ operation, kind, name, subresource }) {
    if (operation === 'CREATE' && subresource === '' && kind.custom?.isTerminating) {
      throw forbidden(kind, name, 'create not allowed while custom resource definition is terminating');
    }
  },
};
