/** Keyboard shortcuts of the whole console; those of lists are the lists'. */
import { signal } from '@preact/signals';
import type { TextKey } from '../text/english.ts';
import { t } from '../text/text.ts';
import { Dialog } from './dialog.tsx';
import { go, listRoute, route } from './place.ts';

export const helpIsOpen = signal(false);

const SHORTCUTS: readonly (readonly [keys: string, what: TextKey])[] = [
  ['/', 'keys.filter'],
  ['↑ ↓ j k', 'keys.move'],
  ['Enter', 'keys.open'],
  ['Esc', 'keys.back'],
  ['g o', 'keys.overview'],
  ['g p', 'keys.pods'],
  ['g n', 'keys.nodes'],
  ['?', 'keys.help'],
];
const PODS = { group: '', version: 'v1', resource: 'pods' };
const NODES = { group: '', version: 'v1', resource: 'nodes' };
/** The second key follows within this time. */
const CHORD_MS = 1_500;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest('input, textarea, select, [contenteditable], .editor, .terminal') !== null;

let chordAt = 0;

export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape') return leave(event);
  if (isTyping(event.target)) return;
  if (event.timeStamp - chordAt < CHORD_MS) {
    chordAt = 0;
    if (event.key === 'o') go({ page: 'overview' });
    else if (event.key === 'p') go(listRoute(PODS));
    else if (event.key === 'n') go(listRoute(NODES, ''));
    return;
  }
  if (event.key === 'g') chordAt = event.timeStamp;
  else if (event.key === '?') helpIsOpen.value = true;
  else if (event.key === '/') {
    document.querySelector<HTMLInputElement>('[data-filter]')?.focus();
    event.preventDefault();
  }
}

function leave(event: KeyboardEvent): void {
  const { value } = route;
  if (event.target instanceof HTMLElement && event.target.closest('.editor, .terminal')) return;
  if (isTyping(event.target)) (event.target as HTMLElement).blur();
  else if (value.page === 'object') go(listRoute(value));
}

export function KeyHelp() {
  if (!helpIsOpen.value) return null;
  return (
    <Dialog title={t('shell.keys')} onClose={() => (helpIsOpen.value = false)}>
      <dl class="keys">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
