/** CORS filters, as the proxy answers for them. Pure. https://gateway-api.sigs.k8s.io/geps/gep-1767/ */
import type { Cors } from '../model/routing.ts';
import { UnsupportedError } from './matches.ts';
import type { CorsFilter } from './objects.ts';

const ANY = '*';
const MAX_LISTED = 64;
const DEFAULT_AGE_SECONDS = 5;
const MAX_AGE_SECONDS = 2_147_483_647;
/** A scheme and a host or `*`, or `*.` and a host; with or without a port. */
const ORIGIN = /^https?:\/\/(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)(:\d{1,5})?$/;
const TOKEN = /^[A-Za-z0-9!#$&+\-.^_|~]{1,256}$/;
const METHOD = /^[A-Z]{1,16}$/;

/** Throws UnsupportedError. */
export function readCors(filter: CorsFilter): Cors {
  const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials = false } = filter;
  const { maxAge = DEFAULT_AGE_SECONDS } = filter;
  if (!Number.isInteger(maxAge) || maxAge < 1 || maxAge > MAX_AGE_SECONDS)
    throw new UnsupportedError('the maxAge of a CORS filter is no number of seconds');
  return {
    origins: listed('origin', allowOrigins, ORIGIN),
    methods: listed('method', allowMethods, METHOD),
    headers: listed('header', allowHeaders, TOKEN),
    exposed: listed('header', exposeHeaders, TOKEN),
    credentials: allowCredentials,
    maxAgeSeconds: maxAge,
  };
}

/** All of them when one is `*`. */
function listed(what: string, values: readonly string[] = [], pattern: RegExp): Cors['methods'] {
  if (values.length > MAX_LISTED) throw new UnsupportedError(`more than ${MAX_LISTED} values of one list of CORS`);
  const odd = values.find((value) => value !== ANY && !pattern.test(value));
  if (odd !== undefined) throw new UnsupportedError(`${JSON.stringify(odd)} is no ${what} of CORS`);
  return values.includes(ANY) ? 'any' : values;
}
