/** What the user may do, as the server says it: nothing is offered that it would refuse. */
import { signal, type ReadonlySignal } from '@preact/signals';
import { messageOf, send } from './request.ts';
import { token } from './session.ts';

export interface Attempt {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** Rights change seldom; an answer is asked again after this long. */
const FRESH_MS = 60_000;
const MAX_ANSWERS = 2_000;

interface Answer {
  readonly at: number;
  readonly allowed: ReturnType<typeof signal<boolean | undefined>>;
}

let answersOf = '';
const answers = new Map<string, Answer>();

/** Undefined until the server has answered. */
export function may(attempt: Attempt): ReadonlySignal<boolean | undefined> {
  if (answersOf !== token.peek() || answers.size > MAX_ANSWERS) answers.clear();
  answersOf = token.peek();
  const key = JSON.stringify(attempt);
  const known = answers.get(key);
  if (known && performance.now() - known.at < FRESH_MS) return known.allowed;
  const allowed = known?.allowed ?? signal<boolean | undefined>(undefined);
  answers.set(key, { at: performance.now(), allowed });
  review(attempt).then(
    (answer) => (allowed.value = answer),
    // Asked again with the next visit; meanwhile it is not offered.
    (error: unknown) => {
      answers.delete(key);
      reviewFailure.value = messageOf(error);
    },
  );
  return allowed;
}

/** Why some buttons may be missing. */
export const reviewFailure = signal('');

async function review(attempt: Attempt): Promise<boolean> {
  const { status } = await send<{ status?: { allowed?: boolean } }>(
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: attempt } },
  );
  return status?.allowed === true;
}
