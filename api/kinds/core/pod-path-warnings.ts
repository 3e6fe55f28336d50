/** Warnings about volumes of which two files have the same path, or one the path of a folder of the other. */
import type { PodSpec, Volume, VolumeProjection } from '../../types/core/v1.gen.ts';
import type { WarningList } from './warning-list.ts';

interface PlacedPath {
  readonly path: string;
  /** Empty in a volume of one source. */
  readonly source: string;
}

interface Seen {
  readonly index: number;
  readonly shown: string;
}

/** A segment of paths: comparing all paths with all would be quadratic. */
class Folder {
  readonly folders = new Map<string, Folder>();
  /** The files of this very path. */
  readonly here: Seen[] = [];
  /** Those of this path and below. */
  readonly below: Seen[] = [];
}

/** Finds the files of one volume that overlap. */
class VolumePaths {
  readonly #root = new Folder();
  #count = 0;

  /** The earlier files that one overlaps with, in their order. */
  add({ path, source }: PlacedPath): string[] {
    const trimmed = path.replace(/\/+$/, '');
    if (trimmed === '') return [];
    const seen = { index: this.#count++, shown: source === '' ? quoted(trimmed) : `${quoted(trimmed)} (${source})` };
    const found: Seen[] = [];
    let at = this.#root;
    for (const segment of trimmed.split('/')) {
      for (const other of at.here) found.push(other);
      const next = at.folders.get(segment) ?? new Folder();
      at.folders.set(segment, next);
      at = next;
    }
    for (const other of at.below) found.push(other);
    this.#note(trimmed, seen);
    return found.sort((left, right) => left.index - right.index).map((other) => `${seen.shown} with ${other.shown}`);
  }

  #note(path: string, seen: Seen): void {
    let at = this.#root;
    for (const segment of path.split('/')) {
      at = at.folders.get(segment) ?? at;
      at.below.push(seen);
    }
    at.here.push(seen);
  }
}

const quoted = (text: string): string => JSON.stringify(text);
const placed = (items: readonly { readonly path: string }[] | undefined, source = ''): PlacedPath[] =>
  (items ?? []).map(({ path }) => ({ path, source }));

function pathsOfSource(projection: VolumeProjection): PlacedPath[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = projection;
  if (configMap?.items) return placed(configMap.items, `ConfigMap ${quoted(configMap.name ?? '')}`);
  if (secret?.items) return placed(secret.items, `Secret ${quoted(secret.name ?? '')}`);
  if (downwardAPI?.items) return placed(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return placed([serviceAccountToken], 'ServiceAccountToken');
  if (clusterTrustBundle) {
    const name = clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '';
    return placed([clusterTrustBundle], `ClusterTrustBundle ${quoted(name)}`);
  }
  const paths = [
    ['PodCertificate chain', podCertificate?.certificateChainPath],
    ['PodCertificate key', podCertificate?.keyPath],
    ['PodCertificate credential bundle', podCertificate?.credentialBundlePath],
  ] as const;
  return paths.flatMap(([source, path]) => (path ? [{ path, source }] : []));
}

/** What warnings call a volume, and the paths in it. */
function filesOf({ configMap, secret, downwardAPI, projected }: Volume): [string, PlacedPath[]][] {
  return [
    [`ConfigMap ${quoted(configMap?.name ?? '')}`, placed(configMap?.items)],
    [`Secret ${quoted(secret?.secretName ?? '')}`, placed(secret?.items)],
    ['DownwardAPI', placed(downwardAPI?.items)],
    ['Projected', (projected?.sources ?? []).flatMap(pathsOfSource)],
  ];
}

export function addPathWarnings(volumes: PodSpec['volumes'], warnings: WarningList): void {
  for (const volume of volumes ?? []) {
    for (const source of volume.projected?.sources ?? [])
      if (Object.keys(source).length === 0)
        warnings.add(`volume ${quoted(volume.name)} (Projected) has no sources provided`);
    for (const [what, files] of filesOf(volume)) {
      const paths = new VolumePaths();
      for (const file of files) {
        if (warnings.isFull) return;
        for (const overlap of paths.add(file))
          warnings.add(`volume ${quoted(volume.name)} (${what}): overlapping paths: ${overlap}`);
      }
    }
  }
}
