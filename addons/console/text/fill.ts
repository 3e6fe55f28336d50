import { own } from '../../../api/machinery/own.ts';

/** Replaces `{name}` by the value of that name, once: what a value has in it stays as it is. */
export const fill = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(own(values, name) ?? whole));
