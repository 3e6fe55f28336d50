/**
 * The syntax of names, labels, ports and paths: apimachinery's `util/validation`. Each function returns the
 * violations in upstream's words, or none for a valid string.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { type AddressProblem, addressProblems, IpAddress, type CidrProblem, cidrProblems } from '../domain/address.ts';
import { isPortNumber, MAX_PORT } from '../domain/port-number.ts';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const HTTP_HEADER = '[-A-Za-z0-9]+';
const CONFIG_KEY = '[-._a-zA-Z0-9]+';

const LABEL_SYNTAX = new RegExp(`^${LABEL}$`);
const LABEL_1035_SYNTAX = new RegExp(`^${LABEL_1035}$`);
const SUBDOMAIN_SYNTAX = new RegExp(`^${SUBDOMAIN}$`);
const QUALIFIED_SYNTAX = new RegExp(`^${QUALIFIED}$`);
const LABEL_VALUE_SYNTAX = new RegExp(`^(${QUALIFIED})?$`);
const HTTP_HEADER_SYNTAX = new RegExp(`^${HTTP_HEADER}$`);
const CONFIG_KEY_SYNTAX = new RegExp(`^${CONFIG_KEY}$`);
const PRINTABLE_ASCII = /^[ -<>-~]*$/;
const PORT_NAME_SYNTAX = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const PERCENT_SYNTAX = /^[0-9]+%$/;

const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;
const MAX_PORT_NAME = 15;

const tooLong = (max: number, unit = 'characters'): string => `must be no more than ${max} ${unit}`;
const NOTHING: readonly string[] = [];
const orNothing = (errors: readonly string[]): readonly string[] => (errors.length ? errors : NOTHING);

/** For a generateName: a trailing dash is valid, since characters follow it. */
const masked = (name: string): string => (name.length > 1 && name.endsWith('-') ? `${name.slice(0, -1)}a` : name);

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  `with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  `alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const LABEL_1035_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end " +
  `with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${LABEL_1035}')`;

/**
 * A DNS-1123 subdomain.
 * @param prefix whether it is a generateName, in which a trailing dash is valid
 */
export function validateSubdomainName(name: string, prefix = false): readonly string[] {
  const checked = prefix ? masked(name) : name;
  if (checked.length <= MAX_SUBDOMAIN && SUBDOMAIN_SYNTAX.test(checked)) return NOTHING;
  const errors: string[] = [];
  if (checked.length > MAX_SUBDOMAIN) errors.push(tooLong(MAX_SUBDOMAIN));
  if (!SUBDOMAIN_SYNTAX.test(checked)) errors.push(SUBDOMAIN_RULE);
  return errors;
}

const SEARCH_LABEL = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const SEARCH_NAME = `_?${SEARCH_LABEL}(\\._?${SEARCH_LABEL})*`;
const SEARCH_SYNTAX = new RegExp(`^${SEARCH_NAME}$`);
const SEARCH_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end " +
  `with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SEARCH_NAME}')`;

/** A domain in which names are searched: labels may have underscores, as those of services do. */
export function validateSearchName(name: string): readonly string[] {
  const errors: string[] = [];
  if (name.length > MAX_SUBDOMAIN) errors.push(tooLong(MAX_SUBDOMAIN));
  if (!SEARCH_SYNTAX.test(name)) errors.push(SEARCH_RULE);
  return orNothing(errors);
}

/** A DNS-1123 subdomain, of kinds of which upstream validates the names only when they have been generated. */
export const validateGeneratedName = (name: string, prefix = false): readonly string[] =>
  prefix ? validatePathSegmentName(name, prefix) : validateSubdomainName(name);

/** A DNS-1123 label: names of containers, volumes, namespaces. */
export function validateLabelName(name: string, prefix = false): readonly string[] {
  const checked = prefix ? masked(name) : name;
  if (checked.length <= MAX_LABEL && LABEL_SYNTAX.test(checked)) return NOTHING;
  const errors: string[] = [];
  if (checked.length > MAX_LABEL) errors.push(tooLong(MAX_LABEL));
  if (!LABEL_SYNTAX.test(checked)) errors.push(SUBDOMAIN_SYNTAX.test(checked) ? 'must not contain dots' : LABEL_RULE);
  return errors;
}

/** A DNS-1035 label, which starts with a letter: names of services. */
export function validateLabel1035Name(name: string, prefix = false): readonly string[] {
  const checked = prefix ? masked(name) : name;
  if (checked.length <= MAX_LABEL && LABEL_1035_SYNTAX.test(checked)) return NOTHING;
  const errors: string[] = [];
  if (checked.length > MAX_LABEL) errors.push(tooLong(MAX_LABEL));
  if (!LABEL_1035_SYNTAX.test(checked)) errors.push(LABEL_1035_RULE);
  return errors;
}

/** Anything that can be one segment of a path: names of RBAC objects. */
export function validatePathSegmentName(name: string, prefix = false): readonly string[] {
  if (!prefix && (name === '.' || name === '..')) return [`may not be '${name}'`];
  if (!name.includes('/') && !name.includes('%')) return NOTHING;
  return ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`);
}

/** A label's or annotation's key, a finalizer, a resource name: `[prefix/]name`. */
export function validateQualifiedName(text: string): readonly string[] {
  const slash = text.indexOf('/');
  const name = text.slice(slash + 1);
  if (slash < 0 && name.length <= MAX_LABEL && QUALIFIED_SYNTAX.test(name)) return NOTHING;
  const errors: string[] = [];
  if (slash >= 0) {
    if (name.includes('/')) {
      return [
        `a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an ` +
          `alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}') ` +
          `with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
      ];
    }
    const prefix = text.slice(0, slash);
    if (prefix === '') errors.push('prefix part must be non-empty');
    else {
      // Upstream words the lengths of keys and values of labels in its own way.
      if (prefix.length > MAX_SUBDOMAIN) errors.push(`prefix part ${tooLong(MAX_SUBDOMAIN, 'bytes')}`);
      if (!SUBDOMAIN_SYNTAX.test(prefix)) errors.push(`prefix part ${SUBDOMAIN_RULE}`);
    }
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > MAX_LABEL) errors.push(`name part ${tooLong(MAX_LABEL, 'bytes')}`);
  if (!QUALIFIED_SYNTAX.test(name)) {
    errors.push(
      `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric ` +
        `character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`,
    );
  }
  return orNothing(errors);
}

export function validateLabelValue(value: string): readonly string[] {
  if (value.length <= MAX_LABEL && LABEL_VALUE_SYNTAX.test(value)) return NOTHING;
  const errors: string[] = [];
  if (value.length > MAX_LABEL) errors.push(tooLong(MAX_LABEL, 'bytes'));
  if (!LABEL_VALUE_SYNTAX.test(value)) {
    errors.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end ` +
        `with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`,
    );
  }
  return errors;
}

/** An IANA service name, as ports are named. */
export function validatePortName(name: string): readonly string[] {
  if (name.length <= MAX_PORT_NAME && PORT_NAME_SYNTAX.test(name) && /[a-z]/.test(name)) return NOTHING;
  const errors: string[] = [];
  if (name.length > MAX_PORT_NAME) errors.push(tooLong(MAX_PORT_NAME));
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export const validatePortNumber = (port: number): readonly string[] =>
  isPortNumber(port) ? NOTHING : [`must be between 1 and ${MAX_PORT}, inclusive`];

/** The name of an environment variable: any printable ASCII but `=`. */
export function validateEnvName(name: string): readonly string[] {
  const errors: string[] = [];
  if (name === '') errors.push('environment variable name must not be empty');
  if (!PRINTABLE_ASCII.test(name)) {
    errors.push(`a valid environment variable name must consist only of printable ASCII characters other than '='`);
  }
  return orNothing(errors);
}

/** A key of a ConfigMap or Secret. */
export function validateConfigKey(key: string): readonly string[] {
  const errors: string[] = [];
  if (key.length > MAX_SUBDOMAIN) errors.push(tooLong(MAX_SUBDOMAIN));
  if (!CONFIG_KEY_SYNTAX.test(key)) {
    errors.push(
      `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or ` +
        `'key-name', regex used for validation is '${CONFIG_KEY}')`,
    );
  }
  if (key === '.') errors.push("must not be '.'");
  if (key === '..') errors.push("must not be '..'");
  else if (key.startsWith('..')) errors.push("must not start with '..'");
  return orNothing(errors);
}

export const validateHttpHeaderName = (name: string): readonly string[] =>
  HTTP_HEADER_SYNTAX.test(name)
    ? NOTHING
    : [
        `a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '${HTTP_HEADER}')`,
      ];

const ADDRESS_PROBLEMS: Readonly<Record<AddressProblem, string>> = {
  'leading zeros': 'must not have leading 0s',
  'IPv4-mapped': 'must not be an IPv4-mapped IPv6 address',
};
const CIDR_PROBLEMS: Readonly<Record<CidrProblem, string>> = {
  'leading zeros': 'must not have leading 0s in IP or prefix length',
  'IPv4-mapped': 'must not have an IPv4-mapped IPv6 address',
  'bits beyond the length': 'must not have bits set beyond the prefix length',
};

/**
 * Any unambiguous address, canonical or not.
 * @param stored values that were accepted before this check, and still are
 */
export function validateIP(text: string, stored: readonly string[] = []): readonly string[] {
  if (stored.includes(text)) return NOTHING;
  const problems = addressProblems(text);
  if (!problems) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  return orNothing(problems.map((problem) => ADDRESS_PROBLEMS[problem]));
}

/** For newer fields, which require the canonical form. */
export function validateCanonicalIP(text: string): readonly string[] {
  const errors = validateIP(text);
  if (errors.length > 0) return errors;
  const canonical = IpAddress.parse(text)?.text;
  return canonical === text ? NOTHING : [`must be in canonical form ("${canonical}")`];
}

/** Addresses that a Service may send traffic to: none that means another host on each node. `validateIP` comes first. */
export function validateEndpointIP(text: string): readonly string[] {
  const address = IpAddress.parse(text);
  if (!address) return ['must be a valid IP address'];
  const errors: string[] = [];
  if (address.isUnspecified) errors.push(`may not be unspecified (${text})`);
  if (address.isLoopback) errors.push('may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (address.isLinkLocalUnicast) errors.push('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  if (address.isLinkLocalMulticast) {
    errors.push('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
  return orNothing(errors);
}

export const validateIPv4 = (text: string): readonly string[] => (isIPv4(text) ? NOTHING : ['must be an IPv4 address']);
export const validateIPv6 = (text: string): readonly string[] => (isIPv6(text) ? NOTHING : ['must be an IPv6 address']);

/**
 * A CIDR.
 * @param stored as for `validateIP`
 */
export function validateCIDR(text: string, stored: readonly string[] = []): readonly string[] {
  if (stored.includes(text)) return NOTHING;
  const problems = cidrProblems(text);
  if (!problems) return ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
  return orNothing(problems.map((problem) => CIDR_PROBLEMS[problem]));
}

export const validatePercent = (text: string): readonly string[] =>
  PERCENT_SYNTAX.test(text)
    ? NOTHING
    : [
        `a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
      ];
