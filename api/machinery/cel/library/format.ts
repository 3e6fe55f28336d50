/** Named formats: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library */
import {
  validateLabel1035Name,
  validateLabelName,
  validateLabelValue,
  validateQualifiedName,
  validateSubdomainName,
} from '../../names.ts';
import { isFormat } from '../../structural/formats.ts';
import { ValueList } from '../collections.ts';
import { overload as declare, type Overload } from '../environment.ts';
import { Extension, Failure, Optional } from '../values.ts';
import { FORMAT, kubernetesTypes } from './kubernetes-types.ts';
import { parseUrl } from './url-text.ts';

class FormatValue extends Extension {
  readonly celType = FORMAT;
  readonly name: string;
  readonly validate: (text: string) => readonly string[];
  constructor(name: string, validate: (text: string) => readonly string[]) {
    super();
    this.name = name;
    this.validate = validate;
  }
  equals(other: Extension): boolean {
    return other instanceof FormatValue && this.name === other.name;
  }
  toPlain(): string {
    return this.name;
  }
}

const byFormat =
  (format: string, problem: string) =>
  (text: string): string[] =>
    isFormat(format, text) ? [] : [problem];

const FORMATS: ReadonlyMap<string, FormatValue> = new Map(
  Object.entries({
    dns1123Label: (text: string) => validateLabelName(text),
    dns1123Subdomain: (text: string) => validateSubdomainName(text),
    dns1035Label: (text: string) => validateLabel1035Name(text),
    qualifiedName: validateQualifiedName,
    dns1123LabelPrefix: (text: string) => validateLabelName(text, true),
    dns1123SubdomainPrefix: (text: string) => validateSubdomainName(text, true),
    dns1035LabelPrefix: (text: string) => validateLabel1035Name(text, true),
    labelValue: validateLabelValue,
    uri: (text: string) => {
      const url = parseUrl(text);
      return url instanceof Failure ? [url.message] : [];
    },
    uuid: byFormat('uuid', 'does not match the UUID format'),
    byte: byFormat('byte', 'invalid base64'),
    date: byFormat('date', 'invalid date'),
    datetime: byFormat('datetime', 'invalid datetime'),
  }).map(([name, validate]) => [name, new FormatValue(name, validate)]),
);

const overload = (signature: string, call: Overload['call']): Overload => declare(signature, call, kubernetesTypes);

export const formatLibrary = (): Overload[] => [
  ...[...FORMATS].map(([name, format]) => overload(`format.${name}(): kubernetes.NamedFormat`, () => format)),
  overload('format.named(string): optional(kubernetes.NamedFormat)', ([name]) => {
    const format = FORMATS.get(name as string);
    return format ? new Optional(format) : Optional.none;
  }),
  overload('kubernetes.NamedFormat:validate(string): optional(list(string))', ([format, text]) => {
    const problems = (format as FormatValue).validate(text as string);
    return problems.length === 0 ? Optional.none : new Optional(new ValueList([...problems]));
  }),
];
