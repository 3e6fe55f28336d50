/** The screen of a terminal. Loaded when one is opened. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';

export interface Screen {
  write(bytes: Uint8Array | string): void;
  focus(): void;
  close(): void;
}

export interface ScreenEvents {
  readonly typed: (text: string) => void;
  readonly resized: (columns: number, rows: number) => void;
  readonly left: () => void;
}

/** Lines that can be scrolled back to. */
const SCROLLBACK = 5_000;
const ESCAPE_TWICE_MS = 600;

export function openScreen(parent: HTMLElement, events: ScreenEvents): Screen {
  const terminal = new Terminal({
    scrollback: SCROLLBACK,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 13,
    screenReaderMode: true,
    // What a program in a container prints opens no page.
    linkHandler: { activate: () => undefined, allowNonHttpProtocols: false },
    theme: { background: '#0d1117', foreground: '#e2e8ee' },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  withOwnSheets(() => terminal.open(parent));
  terminal.onData(events.typed);
  terminal.onResize(({ cols, rows }) => events.resized(cols, rows));
  let escapedAt = -Infinity;
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== 'keydown' || event.key !== 'Escape') return true;
    if (event.timeStamp - escapedAt < ESCAPE_TWICE_MS) events.left();
    escapedAt = event.timeStamp;
    return true;
  });
  const observer = new ResizeObserver(() => fit.fit());
  observer.observe(parent);
  fit.fit();
  return {
    write: (bytes) => terminal.write(bytes),
    focus: () => terminal.focus(),
    close: () => {
      observer.disconnect();
      terminal.dispose();
    },
  };
}

/**
 * Runs something that writes style sheets into `<style>` elements, as xterm does when it is opened. The page's policy allows none, not even an
 * empty one, so that each gets a sheet that the script owns.
 */
function withOwnSheets(open: () => void): void {
  const createElement = (name: string): HTMLElement =>
    name === 'style' ? sheetElement() : Document.prototype.createElement.call(document, name);
  Object.defineProperty(document, 'createElement', { value: createElement, configurable: true });
  try {
    open();
  } finally {
    Reflect.deleteProperty(document, 'createElement');
  }
}

/** An element that is no style element, whose text is a style sheet as long as it is in the page. */
function sheetElement(): HTMLElement {
  const element = Document.prototype.createElement.call(document, 'template');
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, 'textContent', { set: (text: string) => sheet.replaceSync(text), get: () => '' });
  Object.defineProperty(element, 'remove', {
    value: () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
      Element.prototype.remove.call(element);
    },
  });
  return element;
}
