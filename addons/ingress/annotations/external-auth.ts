/** Annotations about a service that is asked whether a request is allowed. */
import { IpAddress } from '../../../api/domain/address.ts';
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import type { AuthTarget } from './policy.ts';
import { parseTemplate, type TextTemplate } from './template.ts';
import { hostName, localObject, token, tokens } from './values.ts';

const HOST_OF_REQUEST = /^\$\{?(host|http_host|best_http_host)\}?(:\d{1,5})?$/;
const MAX_PORT = 65_535;
const PORTS = { http: 80, https: 443 } as const;
const MAX_HEADERS = 32;
/** They frame a message, or say whom it is for. */
const FRAMING =
  /^(connection|content-length|transfer-encoding|upgrade|keep-alive|te|trailer|host|expect|set-cookie|x-kedge-.*)$/i;

/** Throws AnnotationError. */
function authTarget(value: string): AuthTarget {
  const [, scheme, authority = '', rest = ''] = /^(https?):\/\/([^/?#]+)(\/[^#]*)?$/.exec(value.trim()) ?? [];
  if (scheme !== 'http' && scheme !== 'https')
    throw new AnnotationError('must be a URL such as http://auth.example/verify');
  const uri = parseTemplate(rest || '/');
  if (HOST_OF_REQUEST.test(authority)) return { uri, service: undefined };
  const [, host = '', digits] = /^(\[[0-9A-Fa-f:.]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const port = digits === undefined ? PORTS[scheme] : Number(digits);
  if (port < 1 || port > MAX_PORT) throw new AnnotationError(`has port ${digits}, which is none`);
  const address = IpAddress.parse(host.replace(/^\[(.*)\]$/, '$1'));
  if (!address) return { uri, service: { scheme, host: hostName(host), port, address: undefined } };
  if (address.isUnspecified || address.isLoopback || address.isMulticast || address.isLinkLocalUnicast)
    throw new AnnotationError(`names ${address.text}, which is the node's own or no service`);
  return { uri, service: { scheme, host, port, address: address.text } };
}

/** The page for logging in, which is told where to come back to. */
function signinPage(value: string, parameter: string): TextTemplate {
  const text = value.trim();
  if (!/^https?:\/\//.test(text)) throw new AnnotationError('must be a URL such as https://auth.example/start');
  const [, query = ''] = text.split('?', 2);
  const has = query.split('&').some((each) => each.startsWith(`${parameter}=`));
  const back = `${text.includes('?') ? '&' : '?'}${parameter}=$scheme://$host$escaped_request_uri`;
  return parseTemplate(has ? text : text + back);
}

const responseHeaders = (value: string): readonly string[] => {
  const names = tokens(value);
  if (names.length > MAX_HEADERS) throw new AnnotationError(`lists more than ${MAX_HEADERS} headers`);
  const odd = names.find((each) => FRAMING.test(each));
  if (odd !== undefined) throw new AnnotationError(`lists ${odd}, which cannot be taken from an answer`);
  return names;
};

const refused = (name: string, why: string, guards: boolean): Annotation => ({
  ...{ name, does: 'refused', example: '', guards },
  read: () => {
    throw new AnnotationError(why);
  },
});

const NO_CACHE = 'is not supported: the service is asked about every request';

export const EXTERNAL_AUTH: readonly Annotation[] = [
  {
    name: 'auth-url',
    does: 'asks this URL about every request: one that it answers with 2xx goes on, 401 and 403 are passed on, anything else is 500',
    differs:
      "with $host as its host, this proxy's own paths are asked; 256 requests of a service at the same time; a body is never sent along; link-local and loopback addresses are refused",
    example: 'http://auth.example/verify',
    guards: true,
    read: (value) => ({ authTarget: authTarget(value) }),
  },
  {
    name: 'auth-method',
    does: 'the method that the URL is asked with: GET',
    example: 'POST',
    guards: true,
    read: (value) => ({ authMethod: token(value).toUpperCase() }),
  },
  {
    name: 'auth-signin',
    does: 'redirects (302) to this URL instead of 401, with where to come back to as parameter rd',
    differs: 'of variables, those of permanent-redirect and $escaped_request_uri are known',
    example: 'https://auth.example/start',
    guards: true,
    read: (value) => ({ authSignin: signinPage(value, 'rd') }),
  },
  {
    name: 'auth-response-headers',
    does: 'headers of the answer that the backend gets, instead of what the client has sent under their names',
    example: 'X-Auth-Request-User, X-Auth-Request-Email',
    guards: true,
    read: (value) => ({ authResponseHeaders: responseHeaders(value) }),
  },
  {
    name: 'auth-request-redirect',
    does: 'the header X-Auth-Request-Redirect that the service gets: the path of the request',
    differs: 'variables as for auth-signin',
    example: 'https://$host$request_uri',
    read: (value) => ({ authRequestRedirect: parseTemplate(value) }),
  },
  {
    name: 'auth-proxy-set-headers',
    does: 'a ConfigMap of the namespace of the Ingress: headers that the service gets',
    differs: 'values are taken as they are: one with a $ is refused',
    example: 'auth-headers',
    guards: true,
    read: (value, { namespace }) => ({ authRequestHeaders: localObject(value, namespace) }),
  },
  {
    name: 'auth-always-set-cookie',
    does: 'accepted, without effect',
    differs: 'cookies of an answer that allows a request (three at most) are always passed on',
    example: 'true',
    read: () => ({}),
  },
  refused('auth-signin-redirect-param', 'is not supported: the parameter is rd', false),
  refused('auth-cache-key', NO_CACHE, false),
  refused('auth-cache-duration', NO_CACHE, false),
  refused('auth-snippet', "is refused: text of users is not put into the proxy's configuration", true),
];
