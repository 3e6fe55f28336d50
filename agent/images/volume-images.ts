/** The images of pods' image volumes. Pure. */
import { imageName, parseImageReference } from '../../api/domain/image-reference.ts';
import type { Container, ImageVolumeSource, Pod } from '../../api/types/core/v1.gen.ts';

export interface ImageVolume {
  /** Of the volume. */
  readonly name: string;
  readonly reference: string;
  readonly pullPolicy?: ImageVolumeSource['pullPolicy'];
}

/** The image volumes that a container mounts. */
export function imageVolumesOf({ spec }: Pod, { volumeMounts = [] }: Pick<Container, 'volumeMounts'>): ImageVolume[] {
  const mounted = new Set(volumeMounts.map(({ name }) => name));
  return (spec?.volumes ?? []).flatMap(({ name, image }) =>
    image && mounted.has(name)
      ? [{ name, reference: image.reference ?? '', ...(image.pullPolicy && { pullPolicy: image.pullPolicy }) }]
      : [],
  );
}

/** By the names under which the runtime lists them. */
export function volumeImageNames(pods: readonly Pod[]): string[] {
  const references = pods.flatMap(({ spec }) => (spec?.volumes ?? []).flatMap(({ image }) => image?.reference ?? []));
  return references.flatMap((reference) => {
    const parsed = parseImageReference(reference);
    return parsed ? [imageName(parsed)] : [];
  });
}
