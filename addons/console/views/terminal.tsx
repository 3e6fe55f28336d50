/** A terminal in a container of a pod. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ExecSession } from '../cluster/exec.ts';
import { messageOf } from '../cluster/request.ts';
import type { KubeObject } from '../model/object.ts';
import { t } from '../text/text.ts';
import { containersOf } from './logs.tsx';

/** The best shell that the image has. */
const SHELL = 'command -v bash >/dev/null && exec bash || exec sh';

interface Running {
  readonly container: string;
  readonly command: string;
  /** Each is a session of its own. */
  readonly attempt: number;
}

export function TerminalTab({ pod }: { readonly pod: KubeObject }) {
  const containers = containersOf(pod);
  const container = useSignal(containers[0] ?? '');
  const command = useSignal('');
  const running = useSignal<Running | undefined>(undefined);
  const outcome = useSignal<string | undefined>(undefined);
  const { namespace = '', name = '' } = pod.metadata ?? {};
  return (
    <>
      <form
        class="tool"
        onSubmit={(event) => {
          event.preventDefault();
          outcome.value = undefined;
          running.value = {
            container: container.value,
            command: command.value.trim(),
            attempt: (running.value?.attempt ?? 0) + 1,
          };
        }}
      >
        <label>
          {t('logs.container')}{' '}
          <select value={container.value} onInput={(event) => (container.value = event.currentTarget.value)}>
            {containers.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          {t('terminal.command')}{' '}
          <input
            value={command.value}
            placeholder="bash, sh"
            onInput={(event) => (command.value = event.currentTarget.value)}
          />
        </label>
        <button class="primary" type="submit">
          {t('terminal.start')}
        </button>
        {outcome.value !== undefined && (
          <span role="status">
            {t('terminal.ended')} <span class="detail">{outcome.value}</span>
          </span>
        )}
      </form>
      {running.value && (
        <TerminalView
          key={JSON.stringify(running.value)}
          pod={{ namespace, name }}
          running={running.value}
          ended={(problem) => (outcome.value = problem)}
        />
      )}
    </>
  );
}

interface TerminalViewProps {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly running: Running;
  readonly ended: (problem: string) => void;
}

function TerminalView({ pod, running, ended }: TerminalViewProps) {
  const place = useRef<HTMLDivElement>(null);
  const isOpen = useSignal(false);
  const hasEnded = useSignal(false);
  useEffect(() => {
    const leaving = new AbortController();
    start(place.current, leaving.signal).catch((error: unknown) => {
      hasEnded.value = true;
      ended(messageOf(error));
    });
    return () => leaving.abort();
  }, []);
  const start = async (parent: HTMLElement | null, leaving: AbortSignal): Promise<void> => {
    const { openScreen } = await import('./terminal-screen.ts');
    if (!parent || leaving.aborted) return;
    let size: readonly [number, number] = [80, 24];
    const screen = openScreen(parent, {
      typed: (text) => session.write(text),
      resized: (columns, rows) => {
        size = [columns, rows];
        // It is first told when the session is open.
        if (isOpen.value) session.resize(columns, rows);
      },
      left: () => document.querySelector<HTMLElement>('.tabs a[aria-current]')?.focus(),
    });
    const words = running.command === '' ? ['sh', '-c', SHELL] : running.command.split(/\s+/);
    const session = new ExecSession(pod, running.container, words, {
      opened: () => {
        isOpen.value = true;
        session.resize(...size);
        screen.focus();
      },
      output: (bytes) => screen.write(bytes),
      ended: (problem) => {
        hasEnded.value = true;
        if (!leaving.aborted) ended(problem);
      },
    });
    leaving.addEventListener('abort', () => {
      session.close();
      screen.close();
    });
  };
  return (
    <>
      {!isOpen.value && !hasEnded.value && <p class="muted">{t('terminal.connecting')}</p>}
      <div class="terminal-place" ref={place} role="group" aria-label={t('terminal.label', { name: pod.name })} />
    </>
  );
}
