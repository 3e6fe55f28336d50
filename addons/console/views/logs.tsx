/** The log of a pod's container: as it is written, of which only the lines in sight are drawn. */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { LiveLog } from '../cluster/log.ts';
import { listAt, textAt, type KubeObject } from '../model/object.ts';
import { t } from '../text/text.ts';

const LINE_HEIGHT = 18;
const OVERSCAN = 30;

export const containersOf = (pod: KubeObject): string[] =>
  ['containers', 'initContainers', 'ephemeralContainers'].flatMap((field) =>
    listAt(pod, 'spec', field).map((container) => textAt(container, 'name')),
  );

export function LogsTab({ pod }: { readonly pod: KubeObject }) {
  const containers = containersOf(pod);
  const container = useSignal(containers[0] ?? '');
  const previous = useSignal(false);
  const follow = useSignal(true);
  const timestamps = useSignal(false);
  const wanted = useSignal('');
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const log = useMemo(
    () =>
      new LiveLog({
        namespace,
        pod: name,
        container: container.value,
        previous: previous.value,
        follow: follow.value,
        timestamps: timestamps.value,
      }),
    [namespace, name, container.value, previous.value, follow.value, timestamps.value],
  );
  useEffect(() => () => log.close(), [log]);
  const words = wanted.value.trim().toLowerCase();
  const version = log.version.value;
  const lines = useMemo(
    () => (words === '' ? log.lines : log.lines.filter((line) => line.toLowerCase().includes(words))),
    [log, version, words],
  );
  const toggle = (label: string, state: { value: boolean }) => (
    <label>
      <input type="checkbox" checked={state.value} onInput={(event) => (state.value = event.currentTarget.checked)} />{' '}
      {label}
    </label>
  );
  return (
    <>
      <div class="tool">
        <label>
          {t('logs.container')}{' '}
          <select value={container.value} onInput={(event) => (container.value = event.currentTarget.value)}>
            {containers.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        {toggle(t('logs.previous'), previous)}
        {toggle(t('logs.follow'), follow)}
        {toggle(t('logs.timestamps'), timestamps)}
        <input
          type="search"
          data-filter
          value={wanted.value}
          placeholder={`${t('logs.search')}  /`}
          aria-label={t('logs.search')}
          onInput={(event) => (wanted.value = event.currentTarget.value)}
        />
        <span class="muted">
          {lines.length === log.lines.length
            ? t('logs.lines', { count: lines.length })
            : t('logs.some', { shown: lines.length, count: log.lines.length })}
        </span>
        {log.hasEnded.value && <span class="muted">{t('logs.ended')}</span>}
        {log.isCut.value && <span class="muted">{t('logs.cut')}</span>}
      </div>
      {log.problem.value !== '' && (
        <p class="notice bad" role="alert">
          {log.problem.value}
        </p>
      )}
      <Lines lines={[...lines]} words={words} stick={follow.value} label={t('logs.label', { name })} />
    </>
  );
}

interface LinesProps {
  readonly lines: readonly string[];
  readonly words: string;
  /** Stay at the end, unless the user has scrolled away from it. */
  readonly stick: boolean;
  readonly label: string;
}

function Lines({ lines, words, stick, label }: LinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(400);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && stick && isAtEnd.current) element.scrollTop = element.scrollHeight;
  });
  const first = Math.max(0, Math.floor(top.value / LINE_HEIGHT) - OVERSCAN);
  const last = Math.min(lines.length, Math.ceil((top.value + height.value) / LINE_HEIGHT) + OVERSCAN);
  return (
    <div
      class="log"
      ref={scroller}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={label}
      onScroll={({ currentTarget: element }) => {
        top.value = element.scrollTop;
        isAtEnd.current = element.scrollTop + element.clientHeight > element.scrollHeight - 2 * LINE_HEIGHT;
      }}
    >
      <div class="log-body" style={{ height: `${lines.length * LINE_HEIGHT + 8}px` }}>
        {lines.slice(first, last).map((line, offset) => (
          <div class="log-line" key={first + offset} style={{ top: `${(first + offset) * LINE_HEIGHT + 4}px` }}>
            {marked(line, words)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The line with what was searched for marked. */
function marked(line: string, words: string) {
  if (words === '') return line;
  const parts = [];
  const lower = line.toLowerCase();
  let from = 0;
  for (let found = lower.indexOf(words); found >= 0; found = lower.indexOf(words, from)) {
    parts.push(line.slice(from, found), <mark key={found}>{line.slice(found, found + words.length)}</mark>);
    from = found + words.length;
  }
  return [...parts, line.slice(from)];
}
