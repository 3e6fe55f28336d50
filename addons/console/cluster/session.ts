/** Who is logged in. The token is kept for this tab only; there are no cookies, so no other page can use it. */
import { signal } from '@preact/signals';

const KEY = 'kedge-console-token';

export const token = signal(sessionStorage.getItem(KEY) ?? '');
/** Shown by the log-in page: why the last session has ended. */
export const endedBy = signal('');
export const userName = signal('');

export function keepSession(value: string): void {
  sessionStorage.setItem(KEY, value);
  endedBy.value = '';
  token.value = value;
}

export function endSession(why = ''): void {
  sessionStorage.removeItem(KEY);
  endedBy.value = why;
  userName.value = '';
  token.value = '';
}
