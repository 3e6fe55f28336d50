/** Validation of `extenders`. */
import { isExtendedResource } from '../../../api/domain/resource-names.ts';
import { invalid, required, type FieldError } from '../../../api/machinery/field-error.ts';
import { parseDuration } from '../../../api/machinery/duration.ts';
import { validateQualifiedName } from '../../../api/machinery/names.ts';
import type { Extender } from '../../../api/types/kubescheduler/v1.gen.ts';

/** A verb is appended to the URL's path. */
const VERBS = ['filterVerb', 'prioritizeVerb', 'preemptVerb', 'bindVerb'] as const;

function validateUrl(url: string, path: string): FieldError[] {
  if (url === '') return [required(path)];
  const parsed = URL.parse(url);
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:')
    return [invalid(path, url, 'must be a URL that begins with http:// or https://')];
  return parsed.username || parsed.search || parsed.hash
    ? [invalid(path, url, 'must have no user, query or fragment')]
    : [];
}

function validateExtender(extender: Extender, path: string): FieldError[] {
  const { urlPrefix, prioritizeVerb, weight = 0, httpTimeout, tlsConfig } = extender;
  const errors = validateUrl(urlPrefix, `${path}.urlPrefix`);
  if (prioritizeVerb && weight <= 0)
    errors.push(invalid(`${path}.weight`, weight, 'must have a positive weight applied to it'));
  if (httpTimeout !== undefined && (parseDuration(httpTimeout) ?? -1) < 0)
    errors.push(invalid(`${path}.httpTimeout`, httpTimeout, 'must not be negative'));
  if (VERBS.every((verb) => !extender[verb]))
    errors.push(invalid(path, urlPrefix, `must have one of ${VERBS.join(', ')}`));
  if (Boolean(tlsConfig?.certFile ?? tlsConfig?.certData) !== Boolean(tlsConfig?.keyFile ?? tlsConfig?.keyData))
    errors.push(invalid(`${path}.tlsConfig`, urlPrefix, 'must have both a certificate and a key, or none'));
  return errors;
}

/** @param path of the list */
export function validateExtenders(extenders: readonly Extender[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const managed = new Set<string>();
  for (const [index, extender] of extenders.entries()) {
    errors.push(...validateExtender(extender, `${path}[${index}]`));
    for (const [at, { name }] of (extender.managedResources ?? []).entries()) {
      const field = `${path}[${index}].managedResources[${at}].name`;
      const problems = validateQualifiedName(name);
      for (const problem of problems) errors.push(invalid(field, name, problem));
      if (problems.length === 0 && !isExtendedResource(name))
        errors.push(invalid(field, name, 'is an invalid extended resource name'));
      if (managed.has(name)) errors.push(invalid(field, name, 'duplicate extender managed resource name'));
      managed.add(name);
    }
  }
  const binders = extenders.filter(({ bindVerb }) => bindVerb).length;
  if (binders > 1)
    errors.push(invalid(path, `found ${binders} extenders implementing bind`, 'only one extender can implement bind'));
  return errors;
}
