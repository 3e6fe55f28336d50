/** Objects without all but their metadata. */
import type { MetaVersion } from '../http/negotiate.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';

const partialHead = (version: MetaVersion) => Buffer.from(`{"kind":"PartialObjectMetadata","apiVersion":"${version}",`);

/** What comes before the metadata of a PartialObjectMetadata; after it comes a brace. */
export const PARTIAL_HEADS: Readonly<Record<MetaVersion, Buffer>> = {
  'meta.k8s.io/v1': partialHead('meta.k8s.io/v1'),
  'meta.k8s.io/v1beta1': partialHead('meta.k8s.io/v1beta1'),
};

/** The metadata of one object, as PartialObjectMetadata. */
export function partialMetadata(
  { bytes }: ServedResource,
  served: Buffer,
  version: MetaVersion,
  omitsOwners = false,
): Buffer {
  const metadata = bytes.metadata(omitsOwners ? bytes.withoutOwners(served) : served);
  return Buffer.concat([PARTIAL_HEADS[version], metadata, Buffer.from('}')]);
}
