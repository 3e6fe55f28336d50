/** An error response of the node API: plain text, as the kubelet's. */
export class NodeApiError extends Error {
  override readonly name = 'NodeApiError';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
