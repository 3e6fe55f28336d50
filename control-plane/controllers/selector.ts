/** Whether labels are those that a map of labels wants: the selector of a Service. */
import type { Labels } from '../../api/machinery/selectors.ts';
import { own } from '../../api/machinery/own.ts';

/** Whether each of the wanted labels is there with its value. */
export function matchesLabels(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (own(labels, key) !== wanted[key]) return false;
  return true;
}
