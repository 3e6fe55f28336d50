/** Annotations about paths: rewrites, redirects, hosts. */
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import { parseTemplate } from './template.ts';
import { flag, hostName, list, urlPath, wholeNumber } from './values.ts';

const redirectCode = (value: string): number => {
  const code = wholeNumber(300, 308)(value);
  if ([301, 302, 303, 307, 308].includes(code)) return code;
  throw new AnnotationError(`must be 301, 302, 303, 307 or 308, not ${value}`);
};

export const ROUTING: readonly Annotation[] = [
  {
    name: 'rewrite-target',
    does: 'replaces the path of a request; $1 to $9 are what the groups of the path of the Ingress have matched',
    differs:
      'a path of type Prefix or Exact without metacharacters stays one; a query in it is refused; the path that is rewritten is normalized, with its escapes as they are',
    example: '/$2',
    guards: true,
    read: (value) => {
      const parts = parseTemplate(value, { captures: true });
      if (typeof parts[0] !== 'string' || !parts[0].startsWith('/')) throw new AnnotationError('must begin with /');
      if (value.includes('?') || value.includes('#')) throw new AnnotationError('must be a path, without query');
      if (parts.some((part) => typeof part === 'object' && 'variable' in part))
        throw new AnnotationError('may use $1 to $9 only');
      return { rewriteTarget: parts };
    },
  },
  {
    name: 'use-regex',
    does: 'paths of type ImplementationSpecific, and those of type Prefix with metacharacters, are regular expressions, without regard to case',
    differs:
      'backreferences, lookaround, nested repetition, repetition of groups (more than 200 times in all; characters and classes are repeated without bound), and more than one repetition that may end anywhere with others behind it (of which `([^/]+)/` is none: it ends at a slash) are refused; Exact paths stay exact',
    example: 'true',
    guards: true,
    read: (value) => ({ useRegex: flag(value) }),
  },
  {
    name: 'app-root',
    does: 'redirects / to this path (302)',
    example: '/app',
    read: (value) => ({ appRoot: urlPath(value) }),
  },
  {
    name: 'ssl-redirect',
    does: 'redirects HTTP to HTTPS (308) where the host has TLS; true unless it says false',
    example: 'false',
    read: (value) => ({ sslRedirect: flag(value) }),
  },
  {
    name: 'force-ssl-redirect',
    does: 'redirects HTTP to HTTPS (308) whether or not the host has TLS of its own',
    differs: 'X-Forwarded-Proto of a proxy in front is not trusted',
    example: 'true',
    read: (value) => ({ forceSslRedirect: flag(value) }),
  },
  {
    name: 'permanent-redirect',
    does: 'redirects every request to this URL (301)',
    differs: 'of variables, $scheme, $host, $request_uri, $uri, $args, $remote_addr and $server_port are known',
    example: 'https://new.example$request_uri',
    guards: true,
    read: (value) => ({ permanentRedirect: parseTemplate(value) }),
  },
  {
    name: 'permanent-redirect-code',
    does: 'the status code of permanent-redirect',
    example: '308',
    read: (value) => ({ permanentRedirectCode: redirectCode(value) }),
  },
  {
    name: 'temporal-redirect',
    does: 'redirects every request to this URL (302)',
    differs: 'variables as for permanent-redirect',
    example: 'https://maintenance.example/',
    guards: true,
    read: (value) => ({ temporalRedirect: parseTemplate(value) }),
  },
  {
    name: 'temporal-redirect-code',
    does: 'the status code of temporal-redirect',
    example: '307',
    read: (value) => ({ temporalRedirectCode: redirectCode(value) }),
  },
  {
    name: 'server-alias',
    does: 'other hosts that are served as those of the Ingress, unless an Ingress has them as its own',
    differs: 'names and *.names only, no regular expressions',
    example: 'www.example.com,example.net',
    read: (value) => ({ aliases: list(value).map(hostName) }),
  },
  {
    name: 'x-forwarded-prefix',
    does: 'sets the request header X-Forwarded-Prefix',
    differs: 'without captures; set with or without a rewrite',
    example: '/app',
    read: (value) => ({ forwardedPrefix: urlPath(value) }),
  },
];
