/** Requests that are not CRUD on a stored object: reviews, `pods/binding`, `serviceaccounts/token`, `pods/exec`, ... */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { User } from './user.ts';
import type { RequestInfo } from './request-info.ts';

export interface ActionRequest {
  readonly info: RequestInfo;
  readonly user: User;
  readonly api: LocalApi;
  /** The decoded, defaulted body of the kind that the action takes. */
  readonly body: KubeObject;
  readonly dryRun: boolean;
}

/** Answers a `create` of a kind that is not stored, or of a subresource. Throws StatusError. */
export type Action = (request: ActionRequest) => Promise<ActionAnswer> | ActionAnswer;

export interface ActionAnswer {
  /** 201 mostly; 200 for a few. */
  readonly code: number;
  readonly object: KubeObject;
}

/** Takes a request over whole, after authentication and authorization: streams, upgrades and proxies. */
export interface Connector {
  /** Other methods are answered with a 405. */
  readonly methods: ReadonlySet<string>;
  /** Whether the path goes on behind the subresource. */
  readonly takesPath: boolean;
  serve(
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    info: RequestInfo,
    user: User,
  ): Promise<void>;
  /** `request` asks to upgrade the connection (WebSocket, SPDY/3.1); `head` is what was read past its headers. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, info: RequestInfo, user: User): Promise<void>;
}

/** Keyed as RBAC names them: `pods/exec`, `serviceaccounts/token`, `subjectaccessreviews.authorization.k8s.io`. */
export interface Actions {
  readonly actions: ReadonlyMap<string, Action>;
  readonly connectors: ReadonlyMap<string, Connector>;
}
