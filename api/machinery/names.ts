/** The syntax of names, labels and annotations: apimachinery's `util/validation`. Each check answers the violations, in upstream's words. */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const MAX_SUBDOMAIN_LENGTH = 253;

/** A DNS-1123 subdomain; with `prefix` (a generateName) a trailing dash is fine. */
export function validateSubdomainName(name: string, prefix: boolean): string[] {
  const checked = prefix ? name.replace(/-+$/, '') || name : name;
  const errors: string[] = [];
  if (checked.length > MAX_SUBDOMAIN_LENGTH) errors.push(`must be no more than ${MAX_SUBDOMAIN_LENGTH} characters`);
  if (!SUBDOMAIN.test(checked)) {
    errors.push(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with " +
        `an alphanumeric character (e.g. 'example.com', regex used for validation is '${LABEL}(\\.${LABEL})*')`,
    );
  }
  return errors;
}
