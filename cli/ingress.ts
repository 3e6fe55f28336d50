/** `kedge ingress check`: what becomes of Ingresses that were written for ingress-nginx. */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { checkIngress, type CheckedIngress, type Finding } from '../addons/ingress/check.ts';
import { isJsonObject } from '../api/machinery/own.ts';
import { yamlProblem } from '../client/yaml-problem.ts';
import { SettingsError } from './settings.ts';
import { exitsWithFindings, UsageError } from './usage.ts';
import { reasonOf } from './system-error.ts';
import { print, printJson } from './output.ts';

/** Scripts read it: whether something is refused; 1 is that of a command that failed. */
const EXIT_REFUSED = 2;
const STANDARD_INPUT = '-';

export const ingressCommand = (): Command =>
  new Command('ingress')
    .description('Ingresses of the cluster')
    .addCommand(
      exitsWithFindings(new Command('check'))
        .description(
          'list, annotation by annotation, what of Ingresses in YAML or JSON files is taken, what differs from ingress-nginx and what is refused; exits with 2 when something is refused',
        )
        .argument('<file...>', `files, or ${STANDARD_INPUT} for standard input`)
        .option('-o, --output <form>', 'text or json', 'text')
        .action(check),
    );

async function check(files: readonly string[], { output }: { readonly output: string }): Promise<void> {
  if (output !== 'text' && output !== 'json') throw new UsageError(`--output must be text or json, not "${output}"`);
  const checked: CheckedIngress[] = [];
  for (const file of files) for (const object of await objectsOf(file)) checked.push(...checkIngress(object));
  if (checked.length === 0) throw new SettingsError(`no Ingress in ${files.join(', ')}`);
  if (output === 'json') printJson(checked);
  else print(checked.map(asText).join('\n\n'));
  if (checked.some(({ findings }) => findings.some(({ verdict }) => verdict === 'refused')))
    process.exitCode = EXIT_REFUSED;
}

/** The objects of a file, those of lists one by one. Throws SettingsError. */
async function objectsOf(file: string): Promise<unknown[]> {
  let text: string;
  try {
    text = file === STANDARD_INPUT ? await textOf(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new SettingsError(`failed to read ${file}: ${reasonOf(error)}`, { cause: error });
  }
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem) throw new SettingsError(`${file} is not valid YAML: ${yamlProblem(problem)}`, { cause: problem });
    const object: unknown = document.toJS({ maxAliasCount: 100 });
    return isJsonObject(object) && Array.isArray(object['items']) ? (object['items'] as unknown[]) : [object];
  });
}

const asText = ({ name, findings }: CheckedIngress): string =>
  [`Ingress ${name}`, ...(findings.length > 0 ? findings.map(asLine) : ['  no annotations, nothing to say'])].join(
    '\n',
  );

const asLine = ({ verdict, subject, text }: Finding): string => `  ${verdict.padEnd(7)}  ${subject}: ${text}`;
