/** Messages of the subprotocols `v4.channel.k8s.io` and `v5.channel.k8s.io`: a byte that names the channel, then its content. */
export const EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

const BEARER = 'base64url.bearer.authorization.k8s.io.';

/** A page can set no header for a WebSocket: the token is given as the name of a protocol, which the server does not choose. */
export function bearerProtocol(token: string): string {
  const bytes = new TextEncoder().encode(token);
  const base64 = btoa(String.fromCharCode(...bytes));
  return BEARER + base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function frame(channel: number, content: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const message = new Uint8Array(bytes.length + 1);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

export const resizeFrame = (columns: number, rows: number): Uint8Array<ArrayBuffer> =>
  frame(CHANNEL.resize, JSON.stringify({ Width: columns, Height: rows }));

/** What the status channel says: '' for a command that has ended well. */
export function outcomeOf(content: Uint8Array): string {
  const text = new TextDecoder().decode(content);
  try {
    const { status, message } = JSON.parse(text) as { status?: string; message?: string };
    return status === 'Success' ? '' : (message ?? text);
  } catch {
    return text;
  }
}
