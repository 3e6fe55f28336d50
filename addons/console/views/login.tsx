/** The first page: a token, and how to get one. */
import { useSignal } from '@preact/signals';
import { logIn } from '../cluster/log-in.ts';
import { ApiError, messageOf } from '../cluster/request.ts';
import { endedBy } from '../cluster/session.ts';
import { t } from '../text/text.ts';
import { Preferences } from './shell.tsx';

export function LoginPage() {
  const entered = useSignal('');
  const busy = useSignal(false);
  const failure = useSignal<unknown>(undefined);
  const submit = async (): Promise<void> => {
    busy.value = true;
    failure.value = undefined;
    try {
      await logIn(entered.value);
    } catch (error) {
      failure.value = error;
    }
    busy.value = false;
  };
  const problem = ((): string => {
    const error = failure.value;
    if (error === undefined) return endedBy.value === 'expired' ? t('login.expired') : '';
    if (error instanceof ApiError && error.code === 401) return t('login.wrong');
    return t('login.unreachable', { message: messageOf(error) });
  })();
  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h1>
          <img src="icon.svg" alt="" width="32" height="32" /> Kedge
        </h1>
        <h2>{t('login.title')}</h2>
        <label for="token">{t('login.token')}</label>
        <textarea
          id="token"
          rows={4}
          spellcheck={false}
          autocomplete="off"
          autoFocus
          required
          value={entered.value}
          aria-describedby="login-problem login-how"
          onInput={(event) => (entered.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <p id="login-problem" class={problem ? 'notice bad' : ''} role="alert">
          {problem}
        </p>
        <button class="primary" type="submit" disabled={busy.value}>
          {busy.value ? t('login.busy') : t('login.submit')}
        </button>
        <div id="login-how">
          <p>{t('login.how')}</p>
          <pre>
            <code>kedge console token --user NAME</code>
          </pre>
          <p class="muted">{t('login.kept')}</p>
        </div>
      </form>
      <div class="login-foot">
        <Preferences />
      </div>
    </main>
  );
}
