/** What namespaces allow others to refer to: https://gateway-api.sigs.k8s.io/api-types/referencegrant/. Pure. */
import { GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import type { ReferenceGrant } from './objects.ts';

export interface Reference {
  readonly fromKind: string;
  readonly fromNamespace: string;
  readonly toKind: 'Service' | 'Secret';
  readonly toNamespace: string;
  readonly toName: string;
}

export class Grants {
  readonly #byNamespace = new Map<string, ReferenceGrant[]>();

  constructor(grants: Iterable<ReferenceGrant>) {
    for (const grant of grants) {
      const namespace = grant.metadata?.namespace ?? '';
      const known = this.#byNamespace.get(namespace);
      if (known) known.push(grant);
      else this.#byNamespace.set(namespace, [grant]);
    }
  }

  allows({ fromKind, fromNamespace, toKind, toNamespace, toName }: Reference): boolean {
    if (fromNamespace === toNamespace) return true;
    return (this.#byNamespace.get(toNamespace) ?? []).some(
      ({ spec }) =>
        (spec?.from ?? []).some(
          (from) => from.group === GATEWAY_GROUP && from.kind === fromKind && from.namespace === fromNamespace,
        ) &&
        (spec?.to ?? []).some(
          (to) =>
            to.group === '' && to.kind === toKind && (to.name === undefined || to.name === '' || to.name === toName),
        ),
    );
  }
}
