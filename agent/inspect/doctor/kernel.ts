import { failure, ok, warning, type Finding } from './finding.ts';

export interface KernelFacts {
  /** `uname -r`. */
  readonly release: string;
  /** As Node.js names it. */
  readonly architecture: string;
}

/** Sets and maps with concatenated ranges, which the rules of Services are made of. */
const OLDEST = [5, 6] as const;
/** Tables that end with the program that made them, which `kedge trace` needs. */
const FOR_TRACE = [5, 12] as const;
const ARCHITECTURES = ['x64', 'arm64'];

function isBefore(release: string, [major, minor]: readonly [number, number]): boolean {
  const [, has = '0', hasMinor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(has) < major || (Number(has) === major && Number(hasMinor) < minor);
}

/** Pure. */
export function judgeKernel({ release, architecture }: KernelFacts): Finding[] {
  const found = `Linux ${release} on ${architecture}`;
  if (!ARCHITECTURES.includes(architecture))
    return [failure(found, ARCHITECTURES.join(' or '), 'use a machine of one of these architectures')];
  if (isBefore(release, OLDEST))
    return [
      failure(found, `Linux ${OLDEST.join('.')} or newer`, "install a newer kernel, such as the distribution's latest"),
    ];
  if (isBefore(release, FOR_TRACE))
    return [
      warning(
        found,
        `Linux ${FOR_TRACE.join('.')} or newer for kedge trace`,
        'install a newer kernel to use kedge trace',
      ),
    ];
  return [ok(found)];
}
