/** One object as the response, in the form that the client accepts. */
import type { Stored } from '../catalogue/object-meta.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Exchange } from '../http/exchange.ts';
import { partialMetadata } from './partial-metadata.ts';
import { columnDefinitions, parseIncludeObject, tableRow } from './table.ts';

export function sendServed(exchange: Exchange, resource: ServedResource, code: number, bytes: Buffer): void {
  const { form, metaVersion, omitsOwners } = exchange.accepted;
  switch (form) {
    case 'object':
      return exchange.send(code, omitsOwners ? resource.bytes.withoutOwners(bytes) : bytes);
    case 'metadata':
      return exchange.send(code, partialMetadata(resource, bytes, metaVersion, omitsOwners));
    case 'table': {
      const object = JSON.parse(bytes.toString()) as Stored;
      exchange.sendObject(code, {
        kind: 'Table',
        apiVersion: metaVersion,
        metadata: { resourceVersion: object.metadata.resourceVersion },
        columnDefinitions: columnDefinitions(resource.kind),
        rows: [tableRow(resource.kind, object, parseIncludeObject(exchange.info.query), Date.now(), metaVersion)],
      });
    }
  }
}
