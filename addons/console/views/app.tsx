/** The whole console: which page is shown. */
import { signal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { discover, resources } from '../cluster/discovery.ts';
import { userOf } from '../cluster/log-in.ts';
import { messageOf } from '../cluster/request.ts';
import { token, userName } from '../cluster/session.ts';
import { t } from '../text/text.ts';
import { CreatePage } from './create.tsx';
import { KeyHelp, onKey } from './keys.tsx';
import { ListPage } from './list.tsx';
import { LoginPage } from './login.tsx';
import { ObjectPage } from './object.tsx';
import { OverviewPage } from './overview.tsx';
import { route } from './place.ts';
import { Shell } from './shell.tsx';

/** CustomResourceDefinitions come and go. */
const DISCOVERY_MS = 60_000;

const failure = signal('');

async function open(): Promise<void> {
  try {
    failure.value = '';
    await Promise.all([
      discover(),
      userOf(token.value).then((name) => {
        userName.value = name;
      }),
    ]);
  } catch (error) {
    failure.value = messageOf(error);
  }
}

export function App() {
  useSignalEffect(() => {
    if (token.value === '') resources.value = [];
    else void open();
  });
  useEffect(() => {
    addEventListener('keydown', onKey);
    const timer = setInterval(() => {
      // What fails here is tried again with the next turn.
      if (token.value !== '' && !document.hidden)
        discover().catch((error: unknown) => (failure.value = messageOf(error)));
    }, DISCOVERY_MS);
    return () => {
      removeEventListener('keydown', onKey);
      clearInterval(timer);
    };
  }, []);
  if (token.value === '') return <LoginPage />;
  return (
    <>
      <Shell>
        {failure.value !== '' && (
          <p class="notice bad" role="alert">
            {t('shell.failed', { message: failure.value })}{' '}
            <button type="button" onClick={() => void open()}>
              {t('shell.retry')}
            </button>
          </p>
        )}
        {(resources.value.length > 0 || route.value.page === 'list') && <Page />}
      </Shell>
      <KeyHelp />
    </>
  );
}

function Page() {
  const current = route.value;
  switch (current.page) {
    case 'overview':
      return <OverviewPage />;
    case 'list':
      return <ListPage route={current} />;
    case 'create':
      return <CreatePage />;
    case 'object':
      return <ObjectPage route={current} />;
  }
}
