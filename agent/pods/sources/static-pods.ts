/** Static pods from a directory of manifests: they run without the api-server, where mirror pods represent them. */
import { createHash } from 'node:crypto';
import { MIRROR_ANNOTATION } from '../../../api/domain/mirror-annotation.ts';
import type { Logger } from '../../../client/logger.ts';
import { CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE } from '../labels.ts';
import { ManifestFolder, type ManifestFile } from './manifest-folder.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface StaticPodsOptions {
  readonly directory: string;
  readonly nodeName: string;
  /** kubelet's `fileCheckFrequency`, and its default when absent. */
  readonly fileCheckFrequencyMs?: number;
  readonly logger: Logger;
}

const FILE_CHECK_FREQUENCY_MS = 20_000;

interface Known {
  readonly text: string;
  /** The pod of the last valid manifest, until it is removed. */
  readonly pod: Pod | undefined;
  /** When the file became invalid, by `performance.now`. */
  readonly invalidSinceMs?: number;
}

export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #fileCheckFrequencyMs: number;
  readonly #seen = new Map<string, string>();
  #known: ReadonlyMap<string, Known> = new Map();
  /** Files with a duplicate pod that have been logged. */
  #copies: ReadonlySet<string> = new Set();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
    this.#fileCheckFrequencyMs = options.fileCheckFrequencyMs ?? FILE_CHECK_FREQUENCY_MS;
  }

  /** Passes all pods of the directory to `wanted`, at first and after each change, until the signal is aborted. */
  async run(wanted: (pods: readonly Pod[]) => void, signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    const folder = new ManifestFolder({ directory, rereadMs: this.#fileCheckFrequencyMs, logger });
    await folder.run(async (files) => wanted(await this.#podsIn(files)), signal);
  }

  async #podsIn(files: readonly ManifestFile[]): Promise<Pod[]> {
    const known = new Map<string, Known>();
    const copies = new Set<string>();
    const first = new Map<string, { readonly pod: Pod; readonly path: string }>();
    for (const file of files) {
      const of = await this.#read(file, this.#known.get(file.path));
      known.set(file.path, of);
      if (!of.pod) continue;
      // A copy of a manifest does not replace it.
      const name = nameOf(of.pod);
      const original = first.get(name);
      if (!original) {
        first.set(name, { pod: of.pod, path: file.path });
        continue;
      }
      copies.add(file.path);
      if (!this.#copies.has(file.path))
        this.#rejected(file, new Error(`pod ${name} is already defined in ${original.path}`));
    }
    this.#copies = copies;
    this.#known = known;
    return [...first.values()].map(({ pod }) => pod);
  }

  /**
   * A manifest that is half written does not terminate its pod. One that stays invalid does, at the second check, as
   * with the kubelet: an agent that restarts would not run the pod either.
   */
  async #read(file: ManifestFile, before: Known | undefined): Promise<Known> {
    const text = String(file.text);
    if (text === before?.text) return this.#withoutExpired(file, before);
    try {
      if (file.text instanceof Error) throw file.text;
      return { text, pod: await this.#podOf(file.text, file) };
    } catch (error) {
      this.#rejected(file, error as Error, before?.pod);
      const invalidSinceMs = before?.invalidSinceMs ?? performance.now();
      return this.#withoutExpired(file, { text, pod: before?.pod, invalidSinceMs });
    }
  }

  #withoutExpired({ path: file }: ManifestFile, known: Known): Known {
    const { pod, invalidSinceMs } = known;
    if (!pod || invalidSinceMs === undefined) return known;
    if (performance.now() - invalidSinceMs < this.#fileCheckFrequencyMs) return known;
    this.#options.logger.error({ file, pod: nameOf(pod) }, 'removing static pod: its manifest is still invalid');
    return { ...known, pod: undefined };
  }

  async #podOf(text: string, file: ManifestFile): Promise<Pod> {
    // The schemas take 13 MB: they are loaded with the first manifest.
    const [{ pods }, { readManifest }, { apiReference }, { SYSTEM_CLASSES }] = await Promise.all([
      import('../../../api/kinds/core/pod.ts'),
      import('../../../api/machinery/manifest.ts'),
      import('../../../api/domain/pod-references.ts'),
      import('../../../api/kinds/scheduling/priority-class.ts'),
    ]);
    const { object: pod, problems } = readManifest(text, pods, (object) => this.#place(object, file.path));
    const reference = apiReference(pod.spec);
    if (reference !== undefined) throw new Error(`static pods may not reference ${reference}`);
    if (documentsIn(text) > 1) this.#ignored(file, pod, 'only the first YAML document of a file is read');
    for (const problem of problems) this.#ignored(file, pod, problem);
    // The api-server resolves the classes of its pods; critical static pods need their priority for the OOM score, too.
    const priority = SYSTEM_CLASSES.get(pod.spec?.priorityClassName ?? '');
    if (pod.spec && priority !== undefined) pod.spec.priority ??= priority;
    delete pod.status;
    return pod;
  }

  /** Sets metadata as the kubelet does. The uid stays the same when only comments, blanks or the order of fields change. */
  #place(pod: Pod, file: string): void {
    const { nodeName } = this.#options;
    const { name, namespace, labels, annotations } = pod.metadata ?? {};
    if (!name) throw new Error('name is required');
    const uid = createHash('md5')
      .update(`${nodeName}\0${file}\0${canonicalText(pod)}`)
      .digest('hex');
    const seen = this.#seen.get(uid) ?? new Date().toISOString();
    this.#seen.set(uid, seen);
    // Other metadata (owners, finalizers, deletion of the pod that it was copied from) belongs to the API.
    pod.metadata = {
      uid,
      name: `${name}-${nodeName.toLowerCase()}`,
      namespace: namespace || 'default',
      labels,
      annotations: { ...annotations, [CONFIG_HASH]: uid, [CONFIG_SEEN]: seen, [CONFIG_SOURCE]: 'file' },
    };
    delete pod.metadata.annotations?.[MIRROR_ANNOTATION];
    if (!pod.spec) return;
    pod.spec.nodeName = nodeName;
    // Static pods tolerate all NoExecute taints.
    pod.spec.tolerations = [...(pod.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
  }

  /** @param running the pod of an earlier version of the file that still runs. */
  #rejected({ path: file }: ManifestFile, err: Error, running?: Pod): void {
    const { logger } = this.#options;
    if (!running) return logger.error({ file, err }, 'static pod manifest rejected');
    const fields = { file, err, pod: nameOf(running), removedAfterMs: this.#fileCheckFrequencyMs };
    logger.error(fields, 'static pod manifest rejected, removing its pod unless the manifest is corrected');
  }

  #ignored({ path: file }: ManifestFile, pod: Pod, problem: string): void {
    this.#options.logger.warn({ file, pod: nameOf(pod), problem }, 'static pod runs, part of its manifest is ignored');
  }
}

const nameOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

/** The number of YAML documents that are not empty. A separator counts wherever a line begins with it, even in a string. */
const documentsIn = (text: string): number =>
  text.split(/^(?:---|\.\.\.)(?=\s|$)/m).filter((document) => /^[ \t]*[^\s#%]/m.test(document)).length;

const canonicalText = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
