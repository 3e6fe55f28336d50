/** Image references, as Docker parses them: https://github.com/distribution/reference */

export interface ImageReference {
  /** `docker.io`, `registry.example.com:5000` */
  readonly registry: string;
  /** `library/busybox` */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:...` */
  readonly digest?: string;
}

export const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_TAG = 'latest';
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const HOST =
  '(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const REFERENCE = new RegExp(
  `^(?:(${HOST})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::(\\w[\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,}))?$`,
);
const MAX_NAME = 255;

/** Returns undefined for an invalid reference. The tag defaults to `latest` when there is no digest. */
export function parseImageReference(image: string): ImageReference | undefined {
  const match = REFERENCE.exec(image);
  if (!match) return undefined;
  const [, , , tag, digest] = match;
  let [, host, repository = ''] = match;
  if (host !== undefined && !/[.:]/.test(host) && host !== 'localhost' && host === host.toLowerCase()) {
    // `library/busybox`: the first part is a registry only when it looks like a host.
    repository = `${host}/${repository}`;
    host = undefined;
  }
  if (repository.length > MAX_NAME) return undefined;
  const registry = host ?? DEFAULT_REGISTRY;
  if (registry === DEFAULT_REGISTRY && !repository.includes('/')) repository = `library/${repository}`;
  return { registry, repository, tag: tag ?? (digest === undefined ? DEFAULT_TAG : undefined), digest };
}

/** The full reference, with registry and tag: the name that the runtime uses. */
export const imageName = ({ registry, repository, tag, digest }: ImageReference): string =>
  `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;

/**
 * `Always` for an image that may change under its name: without tag and digest, or tagged `latest`.
 * https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
 */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  // Nearly every image has another tag. A colon after the last slash begins a tag or a digest, not the port of a registry.
  if (image.includes(':', image.lastIndexOf('/') + 1) && !image.includes(`:${DEFAULT_TAG}`)) return 'IfNotPresent';
  return parseImageReference(image)?.tag === DEFAULT_TAG ? 'Always' : 'IfNotPresent';
}
