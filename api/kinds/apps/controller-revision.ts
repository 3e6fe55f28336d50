import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { required } from '../../machinery/field-error.ts';
import { ControllerRevision } from '../../types/apps/v1.gen.ts';

/** `statefulset.apps/web` */
function controllerOf({ metadata }: ControllerRevision): string {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return '<none>';
  const slash = owner.apiVersion.indexOf('/');
  const group = slash < 0 ? '' : `.${owner.apiVersion.slice(0, slash)}`;
  return `${owner.kind}${group}`.toLowerCase() + `/${owner.name}`;
}

export const controllerRevisions = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  namespaced: true,
  schema: ControllerRevision,
  columns: [
    nameColumn(),
    text('Controller', controllerOf),
    text('Revision', ({ revision }) => revision ?? 0),
    ageColumn(),
  ],
  validate: ({ data }, old) => (data === undefined && !old ? [required('data', 'data is mandatory')] : []),
});
