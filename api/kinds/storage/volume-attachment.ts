import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  type FieldError,
  forbidden,
  immutableField,
  invalid,
  required,
  tooLong,
} from '../../machinery/field-error.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { keepMetadata, statusSubresource } from '../../machinery/subresources.ts';
import { VolumeAttachment, type VolumeAttachmentSource, type VolumeError } from '../../types/storage/v1.gen.ts';
import { validateInlineVolumeSpec } from '../core/persistent-volume-validation.ts';
import { validateDriverName } from './driver-parameters.ts';

const MAX_METADATA_BYTES = 256 * 1024;
const MAX_MESSAGE_BYTES = 1024;
const MAX_INT32 = 2 ** 31 - 1;

function validateSource({ persistentVolumeName, inlineVolumeSpec }: VolumeAttachmentSource, path: string) {
  const oneOf = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inlineVolumeSpec) {
    if (persistentVolumeName !== undefined) return [forbidden(path, oneOf)];
    return validateInlineVolumeSpec(inlineVolumeSpec, `${path}.inlineVolumeSpec`);
  }
  if (persistentVolumeName === undefined) return [required(path, oneOf)];
  const at = `${path}.persistentVolumeName`;
  return persistentVolumeName === '' ? [required(at, 'must specify non empty persistentVolumeName')] : [];
}

function validate({ spec }: VolumeAttachment): FieldError[] {
  const { attacher, source, nodeName } = spec;
  const errors = validateDriverName(attacher, 'spec.attacher');
  addErrors(errors, validateSource(source, 'spec.source'));
  for (const problem of validateSubdomainName(nodeName)) errors.push(invalid('spec.nodeName', nodeName, problem));
  const { persistentVolumeName: volume } = source;
  for (const problem of volume === undefined ? [] : validateSubdomainName(volume)) {
    errors.push(invalid('spec.source.persistentVolumeName', volume, problem));
  }
  return errors;
}

function validateError(error: VolumeError | undefined, path: string, errors: FieldError[]): void {
  if (!error) return;
  const { message = '', errorCode = 0 } = error;
  // Upstream names the other limit.
  if (Buffer.byteLength(message) > MAX_MESSAGE_BYTES) errors.push(tooLong(`${path}.message`, MAX_METADATA_BYTES));
  if (errorCode >= 0) return;
  errors.push(invalid(`${path}.errorCode`, errorCode, `must be between 0 and ${MAX_INT32}, inclusive`));
}

function validateStatus({ status }: VolumeAttachment): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(status?.attachmentMetadata ?? {})) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_METADATA_BYTES) errors.push(tooLong('status.attachmentMetadata', MAX_METADATA_BYTES));
  validateError(status?.attachError, 'status.attachError', errors);
  validateError(status?.detachError, 'status.detachError', errors);
  return errors;
}

/** That a volume should be attached to a node: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/ */
export const volumeAttachments = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  namespaced: false,
  schema: VolumeAttachment,
  unconditionalUpdate: false,
  returnDeletedObject: true,
  subresources: [
    statusSubresource<VolumeAttachment>({
      resets: ['metadata', 'spec'],
      prepare: keepMetadata,
      validate: validateStatus,
    }),
  ],
  columns: [
    nameColumn(),
    { ...text('Attacher', ({ spec }) => spec.attacher), format: 'name' },
    text('PV', ({ spec }) => spec.source.persistentVolumeName ?? ''),
    text('Node', ({ spec }) => spec.nodeName),
    { ...text('Attached', ({ status }) => status?.attached ?? false), type: 'boolean' },
    ageColumn(),
  ],
  prepareForCreate: (attachment) => {
    attachment.status = { attached: false };
  },
  validate,
  validateUpdate: ({ spec }, old) => (semanticallyEqual(spec, old.spec) ? [] : [immutableField('spec', spec)]),
});
