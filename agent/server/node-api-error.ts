/** A failure that the node API answers with: plain text, as the kubelet does. */
export class NodeApiError extends Error {
  override readonly name = 'NodeApiError';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
