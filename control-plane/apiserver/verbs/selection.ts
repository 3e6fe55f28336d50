/** Which objects a list, watch or deletecollection is about: its label and field selectors over the index of the cache. */
import type { Kind } from '../../../api/machinery/kind.ts';
import {
  fieldTests,
  parseFieldSelector,
  parseLabelSelector,
  requiredValue,
  SelectorError,
} from '../../../api/machinery/selectors.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/entry.ts';

export interface Selection {
  /** Whether everything is selected. */
  readonly all: boolean;
  matches(entry: Pick<Entry, 'namespace' | 'name' | 'labels' | 'fields'>): boolean;
}

const EVERYTHING: Selection = { all: true, matches: () => true };

/** Reads the selectors, and the name where only one object may be shown. Throws a 400 StatusError where they make no sense. */
export function parseSelection(
  resource: ServedResource,
  { name, labelSelector, fieldSelector }: Pick<RequestInfo, 'name' | 'labelSelector' | 'fieldSelector'>,
): Selection {
  if (!name && !labelSelector && !fieldSelector) return EVERYTHING;
  try {
    const labels = parseLabelSelector(labelSelector);
    const fields = parseFieldSelector(fieldSelector);
    if (name && fields.length > 0 && requiredValue(fields, 'metadata.name') !== name) {
      throw badRequest("fieldSelector metadata.name doesn't match requested name");
    }
    if (name) fields.push({ field: 'metadata.name', equal: true, value: name });
    const tests = [...fieldTests(fields)].map(([field, isMet]) => {
      const read = fieldReader(resource, field);
      if (!read) {
        throw badRequest(unsupported(resource.kind, field));
      }
      return (entry: Parameters<Selection['matches']>[0]) => isMet(read(entry));
    });
    if (labels.empty && tests.length === 0) return EVERYTHING;
    return {
      all: false,
      matches: (entry) => labels.matches(entry.labels) && tests.every((test) => test(entry)),
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

/** A kind without fields of its own that can be selected by names those that every kind has. */
const unsupported = ({ custom, selectableFields }: Kind, field: string): string =>
  custom !== undefined || Object.keys(selectableFields).length > 0
    ? `field label not supported: ${field}`
    : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;

function fieldReader(
  resource: ServedResource,
  field: string,
): ((entry: Parameters<Selection['matches']>[0]) => string) | undefined {
  if (field === 'metadata.name') return (entry) => entry.name;
  if (field === 'metadata.namespace') return (entry) => entry.namespace;
  const index = resource.fieldIndex(field);
  return index < 0 ? undefined : (entry) => entry.fields[index] ?? '';
}
