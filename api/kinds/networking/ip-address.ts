import { nameColumn, text } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, immutableField, invalid, required } from '../../machinery/field-error.ts';
import { goValue } from '../../machinery/go-value.ts';
import { validateCanonicalIP, validatePathSegmentName, validateSubdomainName } from '../../machinery/names.ts';
import { IPAddress, ParentReference } from '../../types/networking/v1.gen.ts';

const PARENT = 'spec.parentRef';

function parentErrors({
  group = '',
  resource = '',
  namespace = '',
  name = '',
}: Partial<ParentReference>): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, value: string, validate: (value: string) => readonly string[]): void => {
    if (value === '') return;
    for (const problem of validate(value)) errors.push(invalid(`${PARENT}.${field}`, value, problem));
  };
  check('group', group, validateSubdomainName);
  if (!resource) errors.push(required(`${PARENT}.resource`));
  check('resource', resource, validatePathSegmentName);
  if (!name) errors.push(required(`${PARENT}.name`));
  check('name', name, validatePathSegmentName);
  check('namespace', namespace, validatePathSegmentName);
  return errors;
}

/** `services/default/kubernetes` */
function parentText({ group = '', resource = '', namespace = '', name = '' }: Partial<ParentReference>): string {
  const parts = [group ? `${resource}.${group}` : resource, ...(namespace ? [namespace] : []), name];
  return parts.join('/').toLowerCase();
}

/** An address that is in use; its name is the address. https://kubernetes.io/docs/reference/networking/virtual-ips/#ip-address-objects */
export const ipAddresses = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  shortNames: ['ip'],
  namespaced: false,
  schema: IPAddress,
  columns: [nameColumn(), text('ParentRef', ({ spec }) => (spec?.parentRef ? parentText(spec.parentRef) : '<none>'))],
  validateName: (name) => validateCanonicalIP(name),
  validate: ({ spec }) => (spec?.parentRef ? parentErrors(spec.parentRef) : [required(PARENT)]),
  validateUpdate: ({ spec }, old) =>
    deepEqual(spec?.parentRef, old.spec?.parentRef)
      ? []
      : [immutableField(PARENT, goValue(ParentReference, spec?.parentRef))],
});
