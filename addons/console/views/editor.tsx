/** An object as YAML: changed, checked by the server, compared, saved. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { may } from '../cluster/access.ts';
import type { Resource } from '../cluster/discovery.ts';
import { ApiError, messageOf } from '../cluster/request.ts';
import { save } from '../cluster/save.ts';
import { condensed, diffLines, type DiffLine } from '../model/diff.ts';
import { planEdit, type Edit } from '../model/edit.ts';
import type { KubeObject } from '../model/object.ts';
import { t } from '../text/text.ts';
import { Dialog } from './dialog.tsx';
import type { Editor } from './yaml-editor.ts';

type Yaml = typeof import('./yaml-editor.ts');

interface Checked {
  readonly edited: KubeObject;
  readonly edit: Extract<Edit, { kind: 'apply' | 'replace' }>;
  readonly diff: readonly DiffLine[];
  readonly force: boolean;
}

interface Conflict {
  readonly edited: KubeObject;
  readonly edit: Extract<Edit, { kind: 'apply' | 'replace' }>;
  readonly error: ApiError;
}

export function EditorTab({ resource, object }: { readonly resource: Resource; readonly object: KubeObject }) {
  const { group, resource: plural } = resource;
  const { namespace = '', name = '' } = object.metadata ?? {};
  const mayPatch = may({ verb: 'patch', group, resource: plural, namespace, name }).value === true;
  const place = useRef<HTMLDivElement>(null);
  const opened = useRef<{ yaml: Yaml; editor: Editor }>(undefined);
  /** The state that the text began with. */
  const base = useSignal(object);
  const isChanged = useSignal(false);
  const problem = useSignal('');
  const note = useSignal('');
  const busy = useSignal(false);
  const checked = useSignal<Checked | undefined>(undefined);
  const conflict = useSignal<Conflict | undefined>(undefined);

  useEffect(() => {
    let isGone = false;
    let editor: Editor | undefined;
    import('./yaml-editor.ts').then(
      (yaml) => {
        if (isGone || !place.current) return;
        const text = yaml.writeYaml(yaml.editable(base.value));
        editor = yaml.openEditor(place.current, text, t('editor.label'), !mayPatch, () => {
          isChanged.value = true;
          note.value = '';
        });
        opened.current = { yaml, editor };
      },
      (error: unknown) => (problem.value = messageOf(error)),
    );
    return () => {
      isGone = true;
      editor?.close();
    };
  }, [mayPatch]);

  const load = (state: KubeObject): void => {
    base.value = state;
    opened.current?.editor.set(opened.current.yaml.writeYaml(opened.current.yaml.editable(state)));
    isChanged.value = false;
    problem.value = '';
  };
  const isNewer = object.metadata?.resourceVersion !== base.value.metadata?.resourceVersion;
  useEffect(() => {
    // Nothing has been typed: what is shown is the present state.
    if (isNewer && !isChanged.value) load(object);
  }, [object]);

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    busy.value = true;
    problem.value = '';
    try {
      await work();
    } catch (error) {
      problem.value = messageOf(error);
    }
    busy.value = false;
  };

  const check = (): Promise<void> =>
    attempt(async () => {
      const { yaml, editor } = opened.current ?? {};
      if (!yaml || !editor) return;
      let edited: KubeObject;
      try {
        edited = yaml.readYaml(editor.text);
      } catch (error) {
        problem.value = t('editor.syntax', { message: messageOf(error) });
        return;
      }
      const edit = planEdit(base.value, edited);
      if (edit.kind === 'unchanged') note.value = t('editor.unchanged');
      else if (edit.kind === 'other-object') problem.value = t('editor.identity');
      else await dryRun(yaml, edited, edit, false);
    });

  const dryRun = async (yaml: Yaml, edited: KubeObject, edit: Checked['edit'], force: boolean): Promise<void> => {
    try {
      const result = await save(resource, base.value, edited, edit, { dryRun: true, force });
      const [before, after] = [object, result].map((state) => yaml.writeYaml(yaml.comparable(state)));
      checked.value = { edited, edit, force, diff: condensed(diffLines(before ?? '', after ?? '')) };
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 409) throw error;
      conflict.value = { edited, edit, error };
    }
  };

  const commit = ({ edited, edit, force }: Checked): Promise<void> =>
    attempt(async () => {
      checked.value = undefined;
      try {
        const saved = await save(resource, base.value, edited, edit, { dryRun: false, force });
        load(saved);
        note.value = t('editor.saved');
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 409) throw error;
        conflict.value = { edited, edit, error };
      }
    });

  const [latest] = [...(object.metadata?.managedFields ?? [])].sort((one, other) =>
    (other.time ?? '').localeCompare(one.time ?? ''),
  );
  return (
    <>
      <div class="tool">
        {mayPatch ? (
          <>
            <button
              class="primary"
              type="button"
              disabled={busy.value || !isChanged.value}
              onClick={() => void check()}
            >
              {t('editor.check')}
            </button>
            <button type="button" disabled={busy.value || !isChanged.value} onClick={() => load(object)}>
              {t('editor.reset')}
            </button>
          </>
        ) : (
          <span class="muted">{t('editor.readonly')}</span>
        )}
        <span role="status">{note.value}</span>
      </div>
      {isNewer && isChanged.value && (
        <p class="notice" role="status">
          {t('editor.newer', { manager: latest?.manager ?? '?' })}{' '}
          <button type="button" onClick={() => load(object)}>
            {t('editor.reload')}
          </button>
        </p>
      )}
      {problem.value !== '' && (
        <p class="notice bad" role="alert">
          {t('editor.refused')} <span class="detail">{problem.value}</span>
        </p>
      )}
      <div class="editor" ref={place} />
      {checked.value && (
        <DiffDialog
          checked={checked.value}
          onClose={() => (checked.value = undefined)}
          onSave={(state) => void commit(state)}
        />
      )}
      {conflict.value && (
        <ConflictDialog
          conflict={conflict.value}
          onClose={() => (conflict.value = undefined)}
          onForce={({ edited, edit }) => {
            conflict.value = undefined;
            const { yaml } = opened.current ?? {};
            if (yaml) void attempt(() => dryRun(yaml, edited, edit, true));
          }}
        />
      )}
    </>
  );
}

interface DiffDialogProps {
  readonly checked: Checked;
  readonly onClose: () => void;
  readonly onSave: (checked: Checked) => void;
}

function DiffDialog({ checked, onClose, onSave }: DiffDialogProps) {
  const { edit, diff } = checked;
  const hasEffect = diff.some(({ kind }) => kind === 'added' || kind === 'removed');
  return (
    <Dialog
      title={hasEffect ? t('editor.diff') : t('editor.noeffect')}
      onClose={onClose}
      closeLabel={t('editor.back')}
      buttons={
        hasEffect && (
          <button class="primary" type="button" onClick={() => onSave(checked)}>
            {t('editor.save')}
          </button>
        )
      }
    >
      {hasEffect && <Diff lines={diff} />}
      <p class="muted">
        {edit.kind === 'apply' ? t('editor.apply') : t('editor.replace', { fields: edit.fields.join(', ') || '–' })}
      </p>
    </Dialog>
  );
}

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { added: '+ ', removed: '- ', same: '  ', gap: '  ' };

export function Diff({ lines }: { readonly lines: readonly DiffLine[] }) {
  return (
    <pre class="diff" tabIndex={0}>
      {lines.map(({ kind, text }, index) => (
        <div key={index} class={kind}>
          {SIGNS[kind]}
          {text}
        </div>
      ))}
    </pre>
  );
}

interface ConflictDialogProps {
  readonly conflict: Conflict;
  readonly onClose: () => void;
  readonly onForce: (conflict: Conflict) => void;
}

function ConflictDialog({ conflict, onClose, onForce }: ConflictDialogProps) {
  const { error, edit } = conflict;
  return (
    <Dialog
      title={t('editor.conflict')}
      onClose={onClose}
      closeLabel={t('editor.back')}
      buttons={
        edit.kind === 'apply' && (
          <button class="danger" type="button" onClick={() => onForce(conflict)}>
            {t('editor.force')}
          </button>
        )
      }
    >
      {error.causes.length > 0 ? (
        <ul>
          {error.causes.map(({ field, message }) => (
            <li key={field}>
              <code>{field}</code>: {message}
            </li>
          ))}
        </ul>
      ) : (
        <p>{error.message}</p>
      )}
    </Dialog>
  );
}
