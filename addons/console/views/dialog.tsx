/** A modal dialog: the browser's own, which keeps the focus and closes with Escape. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../text/text.ts';

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** Besides the one that closes it. */
  readonly buttons?: ComponentChildren;
  readonly closeLabel?: string;
}

export function Dialog({ title, onClose, children, buttons, closeLabel }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={element} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      <div class="dialog-body">{children}</div>
      <div class="dialog-foot">
        <button type="button" onClick={() => element.current?.close()}>
          {closeLabel ?? t('action.close')}
        </button>
        {buttons}
      </div>
    </dialog>
  );
}
