/** Warnings about volumes of which two files have the same path, or one the path of a folder of the other. */
import type { PodSpec, VolumeProjection } from '../../types/core/v1.gen.ts';
import type { WarningList } from './warning-list.ts';

interface PlacedPath {
  readonly path: string;
  readonly source?: Source | undefined;
}

/** Of a path in a projected volume. */
interface Source {
  readonly what: string;
  readonly name?: string | undefined;
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
    const shown = source ? `${quoted(trimmed)} (${shownSource(source)})` : quoted(trimmed);
    const seen = { index: this.#count++, shown };
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

/** Files of a volume, or of one source of a projected one. */
interface Files {
  /** Of a projected volume, whose warnings name it with each path. */
  readonly source?: Source;
  readonly items: readonly { readonly path: string }[];
}

const NO_FILES: readonly Files[] = [];

/** Few files are compared with each other: that costs less than a tree, and finds that they do not overlap. */
const FEW_FILES = 16;

/** False when no two of the files overlap; true when some may. */
function mayOverlap(parts: readonly Files[]): boolean {
  let count = 0;
  for (const { items } of parts) count += items.length;
  if (count < 2) return false;
  if (count > FEW_FILES) return true;
  const paths: string[] = [];
  for (const { items } of parts) {
    for (const { path } of items) {
      if (path.endsWith('/')) return true;
      for (const other of paths) if (overlaps(path, other)) return true;
      paths.push(path);
    }
  }
  return false;
}

function overlaps(one: string, other: string): boolean {
  const [long, short] = one.length > other.length ? [one, other] : [other, one];
  return long.startsWith(short) && (long.length === short.length || long[short.length] === '/');
}

const quoted = (text: string): string => JSON.stringify(text);
const shownSource = ({ what, name }: Source): string => (name === undefined ? what : `${what} ${quoted(name)}`);

function filesOfSource(projection: VolumeProjection): Files | readonly Files[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = projection;
  if (configMap?.items) return filesOf(configMap.items, 'ConfigMap', configMap.name ?? '');
  if (secret?.items) return filesOf(secret.items, 'Secret', secret.name ?? '');
  if (downwardAPI?.items) return filesOf(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return filesOf([serviceAccountToken], 'ServiceAccountToken');
  if (clusterTrustBundle) {
    const name = clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '';
    return filesOf([clusterTrustBundle], 'ClusterTrustBundle', name);
  }
  if (!podCertificate) return NO_FILES;
  const paths = [
    ['PodCertificate chain', podCertificate.certificateChainPath],
    ['PodCertificate key', podCertificate.keyPath],
    ['PodCertificate credential bundle', podCertificate.credentialBundlePath],
  ] as const;
  return paths.flatMap(([what, path]) => (path ? [filesOf([{ path }], what)] : []));
}

const filesOf = (items: Files['items'], what: string, name?: string): Files => ({ source: { what, name }, items });

const isEmpty = (object: object): boolean => {
  for (const _ in object) return false;
  return true;
};

export function addPathWarnings(volumes: PodSpec['volumes'], warnings: WarningList): void {
  for (const { name: volume, configMap, secret, downwardAPI, projected } of volumes ?? []) {
    for (const source of projected?.sources ?? [])
      if (isEmpty(source)) warnings.add(`volume ${quoted(volume)} (Projected) has no sources provided`);
    const add = (files: readonly Files[], what: string, name?: string): void => {
      if (mayOverlap(files)) addOverlaps(`volume ${quoted(volume)} (${shownSource({ what, name })})`, files, warnings);
    };
    if (configMap?.items) add([{ items: configMap.items }], 'ConfigMap', configMap.name ?? '');
    if (secret?.items) add([{ items: secret.items }], 'Secret', secret.secretName ?? '');
    if (downwardAPI?.items) add([{ items: downwardAPI.items }], 'DownwardAPI');
    if (projected?.sources) add(projected.sources.flatMap(filesOfSource), 'Projected');
  }
}

/** @param of what the files are in, as warnings call it */
function addOverlaps(of: string, files: readonly Files[], warnings: WarningList): void {
  const paths = new VolumePaths();
  for (const { source, items } of files) {
    for (const { path } of items) {
      if (warnings.isFull) return;
      for (const overlap of paths.add({ path, source })) warnings.add(`${of}: overlapping paths: ${overlap}`);
    }
  }
}
