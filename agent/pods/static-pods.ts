/** Pods out of a folder of manifests: run without the api-server, shown there by mirror pods. */
import { createHash } from 'node:crypto';
import type { Pod } from '../../api/core/pod.ts';
import type { Logger } from '../../client/logger.ts';
import { CONFIG_HASH, CONFIG_MIRROR, CONFIG_SEEN, CONFIG_SOURCE } from './labels.ts';
import { ManifestFolder, type ManifestFile } from './manifest-folder.ts';

export interface StaticPodsOptions {
  readonly directory: string;
  readonly nodeName: string;
  readonly logger: Logger;
}

interface Known {
  readonly text: string;
  /** What the file said when it last was a pod. */
  readonly pod: Pod | undefined;
}

export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #seen = new Map<string, string>();
  #known: ReadonlyMap<string, Known> = new Map();
  /** Files whose pod another file has, as has been told. */
  #copies: ReadonlySet<string> = new Set();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  /** Hands over all pods of the folder at first and after each change, until told to stop. */
  async run(wanted: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    await new ManifestFolder(directory, logger).run(async (files) => wanted(await this.#podsIn(files)), signal);
  }

  async #podsIn(files: readonly ManifestFile[]): Promise<Pod[]> {
    const known = new Map<string, Known>();
    const copies = new Set<string>();
    const first = new Map<string, { readonly pod: Pod; readonly path: string }>();
    for (const file of files) {
      const of = await this.#read(file, this.#known.get(file.path));
      known.set(file.path, of);
      if (!of.pod) continue;
      // A copy that somebody has put beside a manifest does not take its place.
      const name = `${of.pod.metadata?.namespace}/${of.pod.metadata?.name}`;
      const original = first.get(name);
      if (!original) {
        first.set(name, { pod: of.pod, path: file.path });
        continue;
      }
      copies.add(file.path);
      if (!this.#copies.has(file.path))
        this.#warn(file, `an earlier file has a pod ${name}, which is the one that runs: ${original.path}`);
    }
    this.#copies = copies;
    this.#known = known;
    return [...first.values()].map(({ pod }) => pod);
  }

  /**
   * A manifest that is half written, or wrong since its last change, does not end the pod that it described: that takes the
   * removal of the file.
   */
  async #read(file: ManifestFile, before: Known | undefined): Promise<Known> {
    const text = String(file.text);
    if (text === before?.text) return before;
    try {
      if (file.text instanceof Error) throw file.text;
      return { text, pod: await this.#podOf(file.text, file) };
    } catch (error) {
      this.#warn(file, (error as Error).message);
      return { text, pod: before?.pod };
    }
  }

  async #podOf(text: string, file: ManifestFile): Promise<Pod> {
    // The schemas take 13 MB: they are loaded where there is a manifest to read.
    const [{ pods }, { readManifest }, { apiReference }, { SYSTEM_CLASSES }] = await Promise.all([
      import('../../api/core/pod.ts'),
      import('../../api/machinery/manifest.ts'),
      import('../../api/core/pod-references.ts'),
      import('../../api/scheduling/priority-class.ts'),
    ]);
    const { object: pod, problems } = readManifest(text, pods, (object) => this.#place(object, file.path));
    const reference = apiReference(pod.spec);
    if (reference !== undefined) throw new Error(`static pods may not reference ${reference}`);
    for (const problem of problems) this.#warn(file, problem);
    // The api-server resolves classes, for pods that come by way of it: the kernel is to spare what the node cannot do without.
    const priority = SYSTEM_CLASSES.get(pod.spec?.priorityClassName ?? '');
    if (pod.spec && priority !== undefined) pod.spec.priority ??= priority;
    delete pod.status;
    return pod;
  }

  /** What the kubelet makes of a pod in a file. The uid stays when only comments, blanks or the order of fields change. */
  #place(pod: Pod, file: string): void {
    const { nodeName } = this.#options;
    const { name, namespace, labels, annotations } = pod.metadata ?? {};
    if (!name) throw new Error('a name is needed');
    const uid = createHash('md5')
      .update(`${nodeName}\0${file}\0${canonicalText(pod)}`)
      .digest('hex');
    const seen = this.#seen.get(uid) ?? new Date().toISOString();
    this.#seen.set(uid, seen);
    // What else a manifest says of its metadata (owners, finalizers, the end of the pod that it was copied from) is the API's.
    pod.metadata = {
      uid,
      name: `${name}-${nodeName.toLowerCase()}`,
      namespace: namespace || 'default',
      labels,
      annotations: { ...annotations, [CONFIG_HASH]: uid, [CONFIG_SEEN]: seen, [CONFIG_SOURCE]: 'file' },
    };
    delete pod.metadata.annotations?.[CONFIG_MIRROR];
    if (!pod.spec) return;
    pod.spec.nodeName = nodeName;
    // Static pods stay whatever taints come.
    pod.spec.tolerations = [...(pod.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
  }

  #warn({ path: file }: ManifestFile, err: string): void {
    this.#options.logger.warn({ file, err }, 'not a pod, or not all of it');
  }
}

const canonicalText = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
