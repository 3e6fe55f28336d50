/** The table of hostile requests: a row has the caller, the request and the expected response. */

/** The caller of a request; `world.ts` grants the permissions. */
export type Who =
  /** Without credentials. */
  | 'anonymous'
  /** With an unknown token. */
  | 'stranger'
  | 'admin'
  /** A developer in the namespace `team`. */
  | 'alice'
  /** Creates and changes RBAC objects, and holds hardly any rights. */
  | 'ed'
  /** Updates and patches kinds that a PUT creates, and may not create them. */
  | 'uma'
  /** Reaches services, pods and nodes through the proxy, and edits endpoints. */
  | 'pat'
  /** The kubelet of the node `node-a`. */
  | 'node';

/** The expected response. Absent fields are not checked. */
export interface Expected {
  readonly code: number;
  /** Of the Status. */
  readonly reason?: string;
  readonly message?: string | RegExp;
  /** Of a response that is not a Status: the whole body. */
  readonly text?: string | RegExp;
  /** Headers of the response, by their names in lower case. */
  readonly headers?: Readonly<Record<string, string | RegExp>>;
}

export interface HostileRequest {
  /** Says what is hostile about it; it is the name of the assertion. */
  readonly name: string;
  /** `admin` when absent. */
  readonly as?: Who;
  /** HTTP/1.1 when absent. */
  readonly over?: 'HTTP/2';
  /** Method and target as they go over the wire: `GET /api/v1/pods`. */
  readonly request: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Objects go as JSON. A function makes what is too long to stand in a table. */
  readonly body?: string | Buffer | object | (() => string | Buffer);
  /** `application/json` when there is a body. */
  readonly type?: string;
  readonly expect: Expected;
  /** Why the answer is not upstream's. */
  readonly differs?: string;
}

/** Bytes inside of TLS, or instead of it, and what comes back. */
export interface HostileBytes {
  readonly name: string;
  /** ALPN; `none` is a bare TCP connection. */
  readonly over?: 'HTTP/1.1' | 'HTTP/2' | 'none';
  readonly bytes: string | Buffer | (() => string | Buffer);
  /** What the whole answer must look like once the server has closed, or once it matches. */
  readonly answer: RegExp;
  /** Whether the server closes the connection by itself. */
  readonly closes?: true;
  readonly differs?: string;
}

export const status = (code: number, reason: string, message?: string | RegExp): Expected => ({
  code,
  reason,
  ...(message !== undefined && { message }),
});

/** A 403 in upstream's words: the part between `is forbidden: User "X" cannot` and the end. */
export const forbidden = (message: string | RegExp): Expected => status(403, 'Forbidden', message);
export const badRequest = (message?: string | RegExp): Expected => status(400, 'BadRequest', message);
export const notFound = (message?: string | RegExp): Expected => status(404, 'NotFound', message);
export const invalid = (message?: string | RegExp): Expected => status(422, 'Invalid', message);
export const unauthorized: Expected = status(401, 'Unauthorized', 'Unauthorized');
/** A path that is no API at all. */
export const noPage: Expected = { code: 404, text: '404 page not found\n' };
export const noSuchPath: Expected = notFound('the server could not find the requested resource');
export const methodNotAllowed: Expected = status(
  405,
  'MethodNotAllowed',
  'the server does not allow this method on the requested resource',
);
