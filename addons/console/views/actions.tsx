/** The buttons of an object, and what they ask before they do something. Only those are there that the user may use. */
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { humanDuration } from '../../../api/machinery/duration.ts';
import { may } from '../cluster/access.ts';
import { remove, restart, revisionsOf, rollBack, scale, setSuspended, setUnschedulable } from '../cluster/actions.ts';
import type { Resource } from '../cluster/discovery.ts';
import { DRAIN_MINUTES, evictAll, readDrainPlan, type PodState } from '../cluster/drain.ts';
import { readMetadata } from '../cluster/metadata-lists.ts';
import { messageOf } from '../cluster/request.ts';
import { actionsOf, type Action, type ActionName } from '../model/actions.ts';
import { dependentsOf, type Known } from '../model/dependents.ts';
import { textAt, type KubeObject } from '../model/object.ts';
import { t } from '../text/text.ts';
import { Dialog } from './dialog.tsx';
import { useLoaded } from './loaded.ts';
import { now } from '../preferences.ts';

interface Subject {
  readonly resource: Resource;
  readonly object: KubeObject;
}

export function ActionButtons(subject: Subject) {
  const open = useSignal<ActionName | undefined>(undefined);
  return (
    <>
      {actionsOf(subject.resource, subject.object).map((action) => (
        <ActionButton key={action.name} {...subject} action={action} onClick={() => (open.value = action.name)} />
      ))}
      {open.value && <ActionDialog {...subject} name={open.value} onClose={() => (open.value = undefined)} />}
    </>
  );
}

function ActionButton({
  object,
  action,
  onClick,
}: Subject & { readonly action: Action; readonly onClick: () => void }) {
  const { namespace, name } = object.metadata ?? {};
  const answers = action.needs.map((needed) =>
    // Rights to what the action needs besides the object itself are not bound to its name.
    may({ ...needed, ...(namespace && { namespace }), ...(needed === action.needs[0] && name && { name }) }),
  );
  // All are asked for, so that each is subscribed to.
  if (answers.map((answer) => answer.value).some((allowed) => allowed !== true)) return null;
  return (
    <button type="button" class={action.name === 'delete' ? 'danger' : ''} onClick={onClick}>
      {t(`action.${action.name}`)}
    </button>
  );
}

interface ActionProps extends Subject {
  readonly onClose: () => void;
}

function ActionDialog({ name, ...props }: ActionProps & { readonly name: ActionName }) {
  const { resource, object } = props;
  const subject = { name: object.metadata?.name ?? '' };
  switch (name) {
    case 'scale':
      return <ScaleDialog {...props} />;
    case 'rollback':
      return <RollbackDialog {...props} />;
    case 'drain':
      return <DrainDialog {...props} />;
    case 'delete':
      return <DeleteDialog {...props} />;
    case 'restart':
      return (
        <Confirm
          {...props}
          name={name}
          work={() => restart(resource, object)}
          explain={t('restart.explain', subject)}
        />
      );
    case 'cordon':
      return (
        <Confirm
          {...props}
          name={name}
          work={() => setUnschedulable(resource, object, true)}
          explain={t('cordon.explain', subject)}
        />
      );
    case 'uncordon':
      return (
        <Confirm
          {...props}
          name={name}
          work={() => setUnschedulable(resource, object, false)}
          explain={t('uncordon.explain', subject)}
        />
      );
    case 'suspend':
      return (
        <Confirm
          {...props}
          name={name}
          work={() => setSuspended(resource, object, true)}
          explain={t('suspend.explain', subject)}
        />
      );
    case 'resume':
      return (
        <Confirm
          {...props}
          name={name}
          work={() => setSuspended(resource, object, false)}
          explain={t('resume.explain', subject)}
        />
      );
  }
}

interface ConfirmProps {
  readonly name: ActionName;
  readonly onClose: () => void;
  readonly work: () => Promise<unknown>;
  readonly explain?: string;
  readonly disabled?: boolean;
  readonly children?: ComponentChildren;
}

/** Asks, does it, and closes; a refusal is shown. */
function Confirm({ name, onClose, work, explain, disabled = false, children }: ConfirmProps) {
  const busy = useSignal(false);
  const problem = useSignal('');
  const run = async (): Promise<void> => {
    busy.value = true;
    try {
      await work();
      onClose();
    } catch (error) {
      problem.value = t('action.failed', { message: messageOf(error) });
      busy.value = false;
    }
  };
  return (
    <Dialog
      title={t(`action.${name}`)}
      onClose={onClose}
      closeLabel={t('action.cancel')}
      buttons={
        <button
          class={name === 'delete' ? 'danger' : 'primary'}
          type="button"
          disabled={disabled || busy.value}
          onClick={() => void run()}
        >
          {t(`action.${name}`)}
        </button>
      }
    >
      {explain && <p>{explain}</p>}
      {children}
      {problem.value !== '' && (
        <p class="notice bad" role="alert">
          {problem.value}
        </p>
      )}
    </Dialog>
  );
}

const MAX_REPLICAS = 100_000;

function ScaleDialog({ resource, object, onClose }: ActionProps) {
  const replicas = useSignal(textAt(object, 'spec', 'replicas') || '1');
  const wanted = Number(replicas.value);
  const isValid = /^\d+$/.test(replicas.value) && wanted <= MAX_REPLICAS;
  return (
    <Confirm name="scale" onClose={onClose} disabled={!isValid} work={() => scale(resource, object, wanted)}>
      <label>
        {t('scale.replicas')}{' '}
        <input
          type="number"
          min={0}
          max={MAX_REPLICAS}
          value={replicas.value}
          onInput={(event) => (replicas.value = event.currentTarget.value)}
        />
      </label>
    </Confirm>
  );
}

function RollbackDialog({ resource, object, onClose }: ActionProps) {
  const loaded = useLoaded((signal) => revisionsOf(resource, object, signal), []);
  const chosen = useSignal(-1);
  const revisions = loaded.kind === 'loaded' ? loaded.value.filter(({ isCurrent }) => !isCurrent) : [];
  const revision = revisions.find(({ number }) => number === chosen.value);
  return (
    <Confirm
      name="rollback"
      onClose={onClose}
      disabled={!revision}
      work={() => (revision ? rollBack(resource, object, revision) : Promise.resolve())}
    >
      {loaded.kind === 'loading' && <p class="muted">{t('list.loading')}…</p>}
      {loaded.kind === 'failed' && <p class="notice bad">{messageOf(loaded.error)}</p>}
      {loaded.kind === 'loaded' && revisions.length === 0 && <p>{t('rollback.none')}</p>}
      {revisions.length > 0 && (
        <fieldset>
          <legend>{t('rollback.explain')}</legend>
          {revisions.map(({ number, createdAt, images }) => (
            <div key={number}>
              <label>
                <input
                  type="radio"
                  name="revision"
                  checked={chosen.value === number}
                  onInput={() => (chosen.value = number)}
                />{' '}
                {t('rollback.revision', {
                  revision: number,
                  age: humanDuration(Math.max(0, now.value - createdAt)),
                  images: images.join(', '),
                })}
              </label>
            </div>
          ))}
        </fieldset>
      )}
    </Confirm>
  );
}

function DrainDialog({ resource, object, onClose }: ActionProps) {
  const name = object.metadata?.name ?? '';
  const plan = useLoaded((signal) => readDrainPlan(name, signal), [name]);
  const states = useSignal<ReadonlyMap<string, PodState>>(new Map());
  const phase = useSignal<'asking' | 'draining' | 'finished' | 'unfinished'>('asking');
  const problem = useSignal('');
  const ending = useRef(new AbortController());
  useEffect(() => () => ending.current.abort(), []);
  const leaving = plan.kind === 'loaded' ? plan.value.leaving : [];
  const run = async (): Promise<void> => {
    phase.value = 'draining';
    try {
      await setUnschedulable(resource, object, true);
      const tell = (uid: string, state: PodState): void => {
        states.value = new Map(states.value).set(uid, state);
      };
      phase.value = (await evictAll(leaving, tell, ending.current.signal)) ? 'finished' : 'unfinished';
    } catch (error) {
      if (ending.current.signal.aborted) return;
      problem.value = t('action.failed', { message: messageOf(error) });
      phase.value = 'asking';
    }
  };
  return (
    <Dialog
      title={t('action.drain')}
      onClose={onClose}
      closeLabel={
        phase.value === 'draining' ? t('drain.stop') : phase.value === 'asking' ? t('action.cancel') : t('action.close')
      }
      buttons={
        phase.value === 'asking' && (
          <button class="danger" type="button" disabled={plan.kind !== 'loaded'} onClick={() => void run()}>
            {t('action.drain')}
          </button>
        )
      }
    >
      <p>{t('drain.explain', { name })}</p>
      {plan.kind === 'failed' && <p class="notice bad">{messageOf(plan.error)}</p>}
      {plan.kind === 'loaded' && (
        <>
          <p>{t('drain.kept', { count: plan.value.staying })}</p>
          <p>{t('drain.pods', { count: leaving.length })}</p>
          <ul>
            {leaving.map((pod) => (
              <li key={pod.uid}>
                {pod.namespace}/{pod.name}
                {phase.value !== 'asking' && ` – ${stateText(states.value.get(pod.uid))}`}
                {phase.value === 'asking' && pod.isBare && <strong> – {t('drain.bare')}</strong>}
                {phase.value === 'asking' && pod.hasEmptyDir && <strong> – {t('drain.emptydir')}</strong>}
              </li>
            ))}
          </ul>
        </>
      )}
      <p role="status">
        {phase.value === 'finished' && t('drain.finished')}
        {phase.value === 'unfinished' && t('drain.unfinished', { minutes: DRAIN_MINUTES })}
      </p>
      {problem.value !== '' && (
        <p class="notice bad" role="alert">
          {problem.value}
        </p>
      )}
    </Dialog>
  );
}

const stateText = (state: PodState | undefined): string =>
  state?.kind === 'blocked' ? t('drain.blocked', { message: state.message }) : t(`drain.${state?.kind ?? 'waiting'}`);

/** So many lines of what goes are shown. */
const MAX_SHOWN = 40;

function DeleteDialog({ resource, object, onClose }: ActionProps) {
  const { uid = '', name = '', namespace = '', finalizers = [] } = object.metadata ?? {};
  const isNamespace = resource.group === '' && resource.resource === 'namespaces';
  const going = useLoaded(
    async (signal) => {
      const { objects } = await readMetadata(isNamespace ? name : namespace, signal);
      if (isNamespace) return { count: objects.length, lines: countedByKind(objects) };
      const dependents = dependentsOf(uid, objects);
      return { count: dependents.length, lines: dependents.map((one) => `${one.kind} ${one.name}`) };
    },
    [uid],
  );
  const orphan = useSignal(false);
  const typed = useSignal('');
  const { count, lines } = going.kind === 'loaded' ? going.value : { count: 0, lines: [] };
  return (
    <Confirm
      name="delete"
      onClose={onClose}
      // What takes everything with it is not deleted by one click.
      disabled={isNamespace && typed.value !== name}
      work={() => remove(resource, object, orphan.value)}
      explain={t('delete.explain', { kind: resource.kind, name: namespace ? `${namespace}/${name}` : name })}
    >
      {going.kind === 'loading' && <p class="muted">{t('delete.looking')}</p>}
      {going.kind === 'failed' && <p class="notice bad">{messageOf(going.error)}</p>}
      {going.kind === 'loaded' && (
        <>
          <p>{count === 0 ? t('delete.alone') : t(isNamespace ? 'delete.namespace' : 'delete.also', { count })}</p>
          <ul data-testid="going">
            {lines.slice(0, MAX_SHOWN).map((line) => (
              <li key={line}>{line}</li>
            ))}
            {lines.length > MAX_SHOWN && <li>{t('delete.more', { count: lines.length - MAX_SHOWN })}</li>}
          </ul>
          {lines.length > 0 && !isNamespace && (
            <label>
              <input
                type="checkbox"
                checked={orphan.value}
                onInput={(event) => (orphan.value = event.currentTarget.checked)}
              />{' '}
              {t('delete.orphan')}
            </label>
          )}
        </>
      )}
      {finalizers.length > 0 && <p>{t('delete.finalizers', { names: finalizers.join(', ') })}</p>}
      {isNamespace && (
        <p>
          <label>
            {t('delete.confirm', { name })}{' '}
            <input value={typed.value} onInput={(event) => (typed.value = event.currentTarget.value)} />
          </label>
        </p>
      )}
    </Confirm>
  );
}

/** The most frequent first. */
function countedByKind(objects: readonly Known[]): string[] {
  const counts = new Map<string, number>();
  for (const { kind } of objects) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one).map(([kind, number]) => `${kind}: ${number}`);
}
