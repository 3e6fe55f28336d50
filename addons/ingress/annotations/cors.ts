/** Cross-origin requests: https://fetch.spec.whatwg.org/#http-cors-protocol, and the headers of answers. */
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import { flag, list, localObject, tokens, wholeNumber } from './values.ts';

const DAY_SECONDS = 86_400;
const MOST_AGE_DAYS = 365;

/** `*`, `https://a.example:8443` or `https://*.a.example`. */
function origin(text: string): string {
  const [, host = '', port = '0'] = /^[a-z][a-z0-9+.-]{0,15}:\/\/(?:\*\.)?([^/:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (text === '*' || (validateSubdomainName(host.toLowerCase()).length === 0 && Number(port) < 65_536)) return text;
  throw new AnnotationError(`lists ${JSON.stringify(text)}, which is no origin such as https://a.example`);
}

export const CORS: readonly Annotation[] = [
  {
    name: 'enable-cors',
    does: 'answers preflight requests (204) and adds the headers of CORS to answers',
    example: 'true',
    read: (value) => ({ cors: flag(value) }),
  },
  {
    name: 'cors-allow-origin',
    does: 'origins, with *. for one label; * for any',
    example: 'https://app.example,https://*.app.example',
    read: (value) => ({ corsOrigins: list(value).map(origin) }),
  },
  {
    name: 'cors-allow-methods',
    does: 'GET, PUT, POST, DELETE, PATCH, OPTIONS unless it says otherwise',
    example: 'GET, POST',
    read: (value) => ({ corsMethods: tokens(value) }),
  },
  {
    name: 'cors-allow-headers',
    does: 'the request headers that may be sent',
    example: 'X-Token, Content-Type',
    read: (value) => ({ corsHeaders: tokens(value) }),
  },
  {
    name: 'cors-expose-headers',
    does: 'the headers of answers that may be read',
    example: 'X-Total',
    read: (value) => ({ corsExposed: tokens(value) }),
  },
  {
    name: 'cors-allow-credentials',
    does: 'true unless it says false',
    example: 'false',
    read: (value) => ({ corsCredentials: flag(value) }),
  },
  {
    name: 'cors-max-age',
    does: 'seconds for which the answer to a preflight request counts: 1728000',
    example: '600',
    read: (value) => ({ corsMaxAge: wholeNumber(0, MOST_AGE_DAYS * DAY_SECONDS)(value) }),
  },
  {
    name: 'custom-headers',
    does: 'a ConfigMap of the namespace of the Ingress: headers that are added to answers',
    differs: 'any header but those that frame a message; there a list of the administrator says which',
    example: 'answer-headers',
    read: (value, { namespace }) => ({ customHeaders: localObject(value, namespace) }),
  },
];
