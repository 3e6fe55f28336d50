/** Objects as YAML. */
import { isMap, isScalar, parseAllDocuments, parseDocument, stringify, type Document } from 'yaml';
import { isJsonObject } from '../../../api/machinery/own.ts';
import { without, type KubeObject } from './object.ts';

/** Documents that a text may have. */
const MAX_DOCUMENTS = 200;

export class YamlError extends Error {}

export const writeYaml = (object: unknown): string => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });

/** The one object of the text. Throws YamlError. */
export function readYaml(text: string): KubeObject {
  return objectOf(parseDocument(text, { uniqueKeys: true }));
}

/** All objects of the text, without empty documents. Throws YamlError. */
export function readAllYaml(text: string): KubeObject[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  if (!Array.isArray(documents)) return [];
  if (documents.length > MAX_DOCUMENTS) throw new YamlError(`more than ${MAX_DOCUMENTS} documents`);
  return documents
    .filter(
      ({ contents, errors }) =>
        errors.length > 0 || !(contents === null || (isScalar(contents) && contents.value === null)),
    )
    .map((document) => objectOf(document));
}

function objectOf(document: Document.Parsed | Document): KubeObject {
  const [problem] = document.errors;
  if (problem) throw new YamlError(problem.message.split('\n')[0] ?? problem.message);
  if (!isMap(document.contents)) throw new YamlError('not an object');
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new YamlError((error as Error).message, { cause: error });
  }
  if (!isJsonObject(value)) throw new YamlError('not an object');
  return value;
}

/** What people edit of an object, in the order that people write: managers are shown where they matter. */
export function editable(object: KubeObject): KubeObject {
  const { apiVersion, kind, metadata = {} } = object;
  const { name, namespace } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...without(metadata, 'name', 'namespace', 'managedFields'),
    },
    ...without(object, 'apiVersion', 'kind', 'metadata'),
  };
}

/** What two states of an object differ in, besides what the server counts. */
export function comparable(object: KubeObject): KubeObject {
  const shown = editable(object);
  return { ...shown, metadata: without(shown.metadata ?? {}, 'resourceVersion', 'generation') };
}
