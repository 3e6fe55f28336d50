/** AppArmor profiles that annotations name, as before v1.30: https://kubernetes.io/docs/tutorials/security/apparmor/ */
import { deepEqual } from '../../machinery/deep-equal.ts';
import { own } from '../../machinery/own.ts';
import type { AppArmorProfile, Pod } from '../../types/core/v1.gen.ts';
import { allContainers } from './all-containers.ts';

/** Before the name of a container. */
export const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const LOCALHOST = 'localhost/';

/** Undefined for an annotation that names none. */
function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  const localhostProfile = annotation.startsWith(LOCALHOST) ? annotation.slice(LOCALHOST.length) : '';
  return localhostProfile.trim() === '' ? undefined : { type: 'Localhost', localhostProfile };
}

export const isProfileOf = (annotation: string, profile: AppArmorProfile | undefined): boolean =>
  profile !== undefined && deepEqual(profile, profileOf(annotation));

export const appArmorDeprecation = (annotationsAt: string, container: string): string =>
  `${annotationsAt}[${APP_ARMOR_ANNOTATION}${container}]: deprecated since v1.30; use the "appArmorProfile" field instead`;

/** New pods get the field that an annotation stands for: what runs containers reads no annotations. */
export function adoptAppArmorAnnotations({ metadata, spec }: Pod, warn: (text: string) => void): void {
  const annotations = metadata?.annotations;
  if (!annotations || !spec || spec.os?.name === 'windows') return;
  for (const container of allContainers(spec)) {
    const annotation = own(annotations, `${APP_ARMOR_ANNOTATION}${container.name}`);
    if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
    const profile = profileOf(annotation);
    if (profile && isProfileOf(annotation, spec.securityContext?.appArmorProfile)) continue;
    if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    warn(appArmorDeprecation('metadata.annotations', container.name));
  }
}
