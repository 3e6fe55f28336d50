/** What a request asks for, read off its method and path: upstream's `RequestInfo`. */
import type { IncomingHttpHeaders } from 'node:http';

export type RequestVerb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  /** Of paths that are not resources: the HTTP method in lower case. */
  | 'post'
  | 'put'
  | 'head'
  | 'options'
  | 'connect'
  | 'proxy';

export interface RequestInfo {
  readonly verb: RequestVerb;
  /** The path without the query. */
  readonly path: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** What follows a proxy subresource in the path. */
  readonly rest: string;
  readonly query: URLSearchParams;
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
