/** Chooses a namespace: among those that the user may list, or by its name. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call } from '../cluster/request.ts';
import { t } from '../text/text.ts';

const AS_METADATA = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const MOST = 1_000;

const names = signal<readonly string[]>([]);

async function readNames(): Promise<void> {
  try {
    const list = await call<{ items?: { metadata?: { name?: string } }[] }>('/api/v1/namespaces', {
      accept: AS_METADATA,
      query: { limit: String(MOST) },
    });
    names.value = (list.items ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
  } catch {
    // Who may not list them types a name.
    names.value = [];
  }
}

export function NamespacePicker({
  value,
  onPick,
}: {
  readonly value: string;
  readonly onPick: (name: string) => void;
}) {
  useEffect(() => void readNames(), []);
  return (
    <>
      <input
        class="namespace"
        list="namespaces"
        value={value}
        placeholder={t('list.all')}
        aria-label={t('list.namespace')}
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => onPick(event.currentTarget.value.trim())}
      />
      <datalist id="namespaces">
        {names.value.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
