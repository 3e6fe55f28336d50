/** What a request asks for, read off its method and path: upstream's `RequestInfo`. */
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Read once, and all that authorization and the handlers know of method and target: what is allowed is what is served.
 */
export interface RequestInfo {
  /** The HTTP method as it came. */
  readonly method: string;
  /** Of a resource: `get`, `list`, ..., and '' for methods that mean nothing to one. Of any other path the method in lower case. */
  readonly verb: string;
  /** The path without the query, decoded. */
  readonly path: string;
  readonly isResource: boolean;
  /** The deprecated form with the verb in front of the resource: `/api/v1/watch/pods`. */
  readonly verbInPath: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The path as it was written, up to and with the subresource, and what follows from the next slash on. */
  readonly written: string;
  readonly rest: string;
  readonly query: URLSearchParams;
  /** Selects among the objects of a list, watch or deletecollection, beside `name`. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

/** Who is asking: upstream's `user.Info`. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What authentication looks at. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  /** The client certificate in DER, when TLS has verified it against the client CA. */
  readonly clientCertificate?: { readonly subject: string; readonly raw: Buffer };
}
