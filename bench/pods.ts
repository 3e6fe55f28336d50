/** Requests about pods, for measurements of the server alone. */
import { load, requestBytes, type Rate, type Target } from './http.ts';
import { podBody } from './workload.ts';

export const NAMESPACE = 'bench';
export const COLLECTION = `/api/v1/namespaces/${NAMESPACE}/pods`;
export const CONNECTIONS = 32;

export function createPods(target: Target, from: number, count: number): Promise<Rate> {
  const requests = Array.from({ length: count }, (_, index) =>
    requestBytes(target, 'POST', COLLECTION, podBody(`pod-${from + index}`)),
  );
  return load(target, CONNECTIONS, 201, requests);
}

export function getPods(target: Target, pods: number, count: number): Promise<Rate> {
  const requests = Array.from({ length: count }, (_, index) =>
    requestBytes(target, 'GET', `${COLLECTION}/pod-${index % pods}`),
  );
  return load(target, CONNECTIONS, 200, requests);
}

/** Two at a time, so that one is sent while the next is generated. */
export function listPods(target: Target, count: number): Promise<Rate> {
  return load(target, 2, 200, new Array<Buffer>(count).fill(requestBytes(target, 'GET', COLLECTION)));
}

export const statusPatch = (target: Target, pod: number, message: string): Buffer =>
  requestBytes(
    target,
    'PATCH',
    `${COLLECTION}/pod-${pod}/status`,
    JSON.stringify({ status: { phase: 'Running', message } }),
    'application/merge-patch+json',
  );

let patchRound = 0;
export const nextPatchRound = (): number => patchRound++;

export function patchStatus(target: Target, pods: number, count: number): Promise<Rate> {
  // A new message each time: a patch that changes nothing is not written.
  const round = nextPatchRound();
  const requests = Array.from({ length: count }, (_, index) => statusPatch(target, index % pods, `m${round}.${index}`));
  return load(target, CONNECTIONS, 200, requests);
}
