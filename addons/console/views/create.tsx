/** New objects from YAML: checked by the server as a whole before the first is made. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { messageOf } from '../cluster/request.ts';
import { applyObject } from '../cluster/save.ts';
import type { KubeObject } from '../model/object.ts';
import { t } from '../text/text.ts';
import { KindLink } from './link.tsx';
import { NamespacePicker } from './namespace-picker.tsx';
import { chosenNamespace } from './place.ts';
import type { Editor } from './yaml-editor.ts';

type Yaml = typeof import('./yaml-editor.ts');

export function CreatePage() {
  const place = useRef<HTMLDivElement>(null);
  const opened = useRef<{ yaml: Yaml; editor: Editor }>(undefined);
  const problem = useSignal('');
  const busy = useSignal(false);
  const done = useSignal<readonly KubeObject[]>([]);
  const namespace = useSignal(chosenNamespace.value || 'default');
  useEffect(() => {
    let isGone = false;
    import('./yaml-editor.ts').then(
      (yaml) => {
        if (isGone || !place.current) return;
        opened.current = {
          yaml,
          editor: yaml.openEditor(place.current, '', t('editor.label'), false, () => undefined),
        };
      },
      (error: unknown) => (problem.value = messageOf(error)),
    );
    return () => {
      isGone = true;
      opened.current?.editor.close();
    };
  }, []);
  const apply = async (): Promise<void> => {
    const { yaml, editor } = opened.current ?? {};
    if (!yaml || !editor) return;
    busy.value = true;
    problem.value = '';
    done.value = [];
    try {
      const objects = yaml.readAllYaml(editor.text);
      const made = new Set(objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata?.name));
      for (const object of objects)
        // A dry run finds no namespace that is only about to be made.
        if (!made.has(object.metadata?.namespace ?? namespace.value))
          await applyObject(object, namespace.value, { dryRun: true });
      for (const object of objects)
        done.value = [...done.value, await applyObject(object, namespace.value, { dryRun: false })];
    } catch (error) {
      problem.value = messageOf(error);
    }
    busy.value = false;
  };
  return (
    <section class="page" aria-labelledby="page-title">
      <header class="page-head">
        <h1 id="page-title">{t('create.title')}</h1>
        <span class="grow" />
        <NamespacePicker value={namespace.value} onPick={(picked) => (namespace.value = picked || 'default')} />
        <button class="primary" type="button" disabled={busy.value} onClick={() => void apply()}>
          {t('create.submit')}
        </button>
      </header>
      <p class="muted">{t('create.hint')}</p>
      {problem.value !== '' && (
        <p class="notice bad" role="alert">
          {t('editor.refused')} <span class="detail">{problem.value}</span>
        </p>
      )}
      {done.value.length > 0 && (
        <p class="notice" role="status">
          {t('create.done', { what: '' })}
          {done.value.map(({ apiVersion = '', kind = '', metadata = {} }, index) => (
            <span key={metadata.uid}>
              {index > 0 && ', '}
              <KindLink
                apiVersion={apiVersion}
                kind={kind}
                namespace={metadata.namespace ?? ''}
                name={metadata.name ?? ''}
              />
            </span>
          ))}
        </p>
      )}
      <div class="editor" ref={place} />
    </section>
  );
}
