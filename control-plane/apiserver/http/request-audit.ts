/** What the stages of a request tell of it to the audit log. */

/**
 * The audit record of one request. Exists only where the policy wants the request recorded: to others, these calls cost nothing.
 * Of objects, only as much is kept as the level of the request says.
 */
export interface RequestAudit {
  /** Whether `responded` keeps objects: some bodies have to be made for it. */
  readonly wantsResponse: boolean;
  /** The request is made in the name of another user from now on. */
  impersonated(user: AuditedUser): void;
  /** The authorizer's decision about the request. */
  authorized(allowed: boolean, reason: string): void;
  /** The object of the body, decoded and defaulted. */
  requested(object: object): void;
  /** A patch, as it has been parsed. */
  requestedPatch(patch: unknown): void;
  /** The headers of a long-running request's response are being sent. */
  started(code: number): void;
  /** The object of the response: as it is, or in JSON. */
  responded(object: object | Buffer): void;
  /** The server has failed unexpectedly. */
  panicked(error: unknown): void;
  /** Nothing more is sent. @param code 0: nothing has been sent at all. */
  completed(code: number): void;
}

export interface AuditedUser {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}
