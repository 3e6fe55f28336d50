export const MERGE = 'application/merge-patch+json';
export const JSON_TYPE = 'application/json';
export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
/** There when the requests come, with `data: { k: v }`. */
export const A = `${CONFIG_MAPS}/a`;

export interface Sent {
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

/** A request, the code and reason of its Status, and a part of the message. No reason: upstream does not classify the error. */
export type Row = readonly [method: string, target: string, sent: Sent, code: number, reason: string, message: RegExp];

export const query = (target: string, parameters: Record<string, string>): string =>
  `${target}?${new URLSearchParams(parameters).toString()}`;

export const named = (name: unknown): object => ({ metadata: { name } });
