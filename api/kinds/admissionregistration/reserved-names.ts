import type { KubeObject } from '../../machinery/kind.ts';

const RESERVED = '.static.k8s.io';

/** Upstream has names for what api-servers read from files. */
export const reservedNameWarnings = ({ metadata }: KubeObject): string[] =>
  metadata?.name?.endsWith(RESERVED)
    ? [
        `metadata.name: names ending with "${RESERVED}" are reserved for static manifest-based configurations and cannot be managed via the API`,
      ]
    : [];
