import { own } from '../machinery/own.ts';
import type { ObjectMeta } from '../types/meta/v1.gen.ts';
import { BETA_STORAGE_CLASS } from './volume-annotations.ts';

/** A claim or volume. */
interface Classed {
  readonly metadata?: ObjectMeta;
  readonly spec?: { readonly storageClassName?: string };
}

/** The name of the class; '' for none. The annotation from before there was the field goes first, as upstream has it. */
export const classOf = ({ metadata, spec }: Classed): string =>
  own(metadata?.annotations, BETA_STORAGE_CLASS) ?? spec?.storageClassName ?? '';
