/** What namespaces allow others to refer to: https://gateway-api.sigs.k8s.io/api-types/referencegrant/. Pure. */
import { GATEWAY_GROUP } from '../../../api/domain/gateway-api.ts';
import type { ReferenceGrant } from './objects.ts';

export interface Reference {
  readonly fromKind: string;
  readonly fromNamespace: string;
  readonly toKind: 'Service' | 'Secret' | 'ConfigMap';
  readonly toNamespace: string;
  readonly toName: string;
}

export class Grants {
  /** What is allowed, each as one text; without a name for all. */
  readonly #allowed = new Set<string>();

  constructor(grants: Iterable<ReferenceGrant>) {
    for (const { metadata, spec } of grants)
      for (const from of spec?.from ?? [])
        for (const to of spec?.to ?? [])
          if (from.group === GATEWAY_GROUP && to.group === '')
            this.#allowed.add(keyOf(from.kind, from.namespace, to.kind, metadata?.namespace, to.name));
  }

  allows({ fromKind, fromNamespace, toKind, toNamespace, toName }: Reference): boolean {
    if (fromNamespace === toNamespace) return true;
    return [toName, ''].some((name) => this.#allowed.has(keyOf(fromKind, fromNamespace, toKind, toNamespace, name)));
  }
}

const keyOf = (fromKind: string, fromNamespace: string, toKind: string, toNamespace = '', toName = ''): string =>
  JSON.stringify([fromKind, fromNamespace, toKind, toNamespace, toName]);
