/** Ensures that a container's image is on this host, by its pull policy. */
import type { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';
import type { AuthConfig, Image, PodSandboxConfig } from '../cri/types.ts';
import { StartError } from '../pods/containers/start-error.ts';
import { credentialsFor } from './credentials.ts';
import { PullBackOff } from './pull-back-off.ts';
import {
  defaultPullPolicy,
  imageName,
  parseImageReference,
  type ImageReference,
} from '../../api/domain/image-reference.ts';
import { Semaphore } from '../../client/semaphore.ts';
import type { Container, Secret } from '../../api/types/core/v1.gen.ts';

export interface ImageRequest {
  readonly podUid: string;
  readonly container: Pick<Container, 'image' | 'imagePullPolicy'>;
  /** The pod's image pull secrets, read when a pull needs them. */
  readonly pullSecrets: (signal: AbortSignal) => Promise<Secret[]>;
  readonly sandboxConfig: PodSandboxConfig;
  /** For the pod's events: `Pulling`, `Pulled`, ... */
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

export interface ImageServiceOptions {
  readonly cri: CriClient;
  /** How many images are pulled at the same time. */
  readonly maxParallelPulls?: number;
}

/** More at once only share bandwidth and disk. */
const MAX_PARALLEL_PULLS = 3;

export class ImageService {
  readonly #cri: CriClient;
  readonly #pulls: Semaphore;
  readonly #backOff = new PullBackOff();

  constructor({ cri, maxParallelPulls = MAX_PARALLEL_PULLS }: ImageServiceOptions) {
    this.#cri = cri;
    this.#pulls = new Semaphore(maxParallelPulls);
  }

  list(signal?: AbortSignal): Promise<Image[]> {
    return this.#cri.listImages({ signal });
  }

  /** The image of a container, pulled by its policy. Throws StartError with the reason that kubectl shows. */
  async ensure(request: ImageRequest, signal: AbortSignal): Promise<Image> {
    const { container, event } = request;
    const { image = '' } = container;
    const reference = parseImageReference(image);
    if (reference === undefined) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      event('Warning', 'InspectFailed', message);
      throw new StartError('InvalidImageName', message);
    }
    const policy = container.imagePullPolicy ?? defaultPullPolicy(image);
    const present = policy === 'Always' ? undefined : await this.#cri.imageStatus(imageName(reference), { signal });
    if (present) {
      event('Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`);
      return present;
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      event('Warning', 'ErrImageNeverPull', message);
      throw new StartError('ErrImageNeverPull', message);
    }
    return this.#pull(image, reference, request, signal);
  }

  /** Resets the pod's back-off of pulls. */
  forget(podUid: string): void {
    this.#backOff.forget(podUid);
  }

  async #pull(image: string, reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<Image> {
    const { podUid, event } = request;
    const waiting = this.#backOff.waiting(podUid, image, performance.now());
    if (waiting) {
      event('Normal', 'BackOff', `Back-off pulling image "${image}"`);
      const message = `Back-off pulling image "${image}": ErrImagePull: ${waiting.message}`;
      throw new StartError('ImagePullBackOff', message, { retryInMs: waiting.waitMs });
    }
    const requestedAt = performance.now();
    event('Normal', 'Pulling', `Pulling image "${image}"`);
    return this.#pulls.run(signal, async () => {
      const startedAt = performance.now();
      try {
        const pulled = await this.#pullWithCredentials(reference, request, signal);
        const took = `${seconds(since(startedAt))} (${seconds(since(requestedAt))} including waiting)`;
        event('Normal', 'Pulled', `Successfully pulled image "${image}" in ${took}. Image size: ${pulled.size} bytes.`);
        this.#backOff.succeeded(podUid, image);
        return pulled;
      } catch (error) {
        signal.throwIfAborted();
        const message = error instanceof CriError ? error.rpcText : (error as Error).message;
        const retryInMs = this.#backOff.failed(podUid, image, message, performance.now());
        event('Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
        throw new StartError('ErrImagePull', message, { retryInMs });
      }
    });
  }

  async #pullWithCredentials(reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<Image> {
    const name = imageName(reference);
    const candidates: (AuthConfig | undefined)[] = credentialsFor(reference, await request.pullSecrets(signal));
    // Without credentials the pull is anonymous.
    if (candidates.length === 0) candidates.push(undefined);
    const failures: Error[] = [];
    for (const auth of candidates) {
      try {
        const id = await this.#cri.pullImage(name, auth, request.sandboxConfig, { signal });
        const image = await this.#cri.imageStatus(id, { signal });
        if (image === undefined) throw new Error(`image ${name} not found after it was pulled`);
        return image;
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error as Error);
      }
    }
    throw failures.length === 1 && failures[0]
      ? failures[0]
      : new Error(`[${failures.map(({ message }) => message).join(', ')}]`);
  }
}

/** In whole milliseconds. @param startedAt `performance.now()` */
const since = (startedAt: number): number => Math.round(performance.now() - startedAt);

/** As Go prints a duration below a minute. */
const seconds = (ms: number): string => (ms < 1000 ? `${ms}ms` : `${(ms / 1000).toFixed(3).replace(/\.?0+$/, '')}s`);
