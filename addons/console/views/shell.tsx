/** What is around every page: the head, and the kinds of objects. */
import { useComputed, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { may } from '../cluster/access.ts';
import { resources } from '../cluster/discovery.ts';
import { endSession, userName } from '../cluster/session.ts';
import { navigationOf, SECTIONS, type Listed, type Section } from '../model/navigation.ts';
import { formatRoute } from '../model/route.ts';
import { t } from '../text/text.ts';
import { helpIsOpen } from './keys.tsx';
import { chosenNamespace, listRoute, route } from './place.ts';
import { language, LANGUAGES, nextOf, theme, THEMES } from '../preferences.ts';

export function Preferences() {
  return (
    <>
      <button type="button" class="quiet" onClick={() => (theme.value = nextOf(THEMES, theme.value))}>
        {t(`shell.theme.${theme.value}`)}
      </button>
      <button type="button" class="quiet" onClick={() => (language.value = nextOf(LANGUAGES, language.value))}>
        {t('shell.language')}
      </button>
    </>
  );
}

export function Shell({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="shell">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById('content')?.focus();
        }}
      >
        {t('shell.skip')}
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <img src="icon.svg" alt="" width="22" height="22" /> Kedge
        </a>
        <span class="grow" />
        <Preferences />
        <button type="button" class="quiet" onClick={() => (helpIsOpen.value = true)} aria-label={t('shell.keys')}>
          ?
        </button>
        <span class="user" title={t('shell.user', { name: userName.value })}>
          {userName.value}
        </span>
        <button type="button" onClick={() => endSession()}>
          {t('shell.logout')}
        </button>
      </header>
      <Navigation />
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Navigation() {
  const sections = useComputed(() => navigationOf(resources.value));
  const wanted = useSignal('');
  const words = wanted.value.trim().toLowerCase();
  return (
    <nav aria-label={t('shell.menu')}>
      <input
        type="search"
        class="nav-filter"
        value={wanted.value}
        placeholder={t('nav.filter')}
        aria-label={t('nav.filter')}
        onInput={(event) => (wanted.value = event.currentTarget.value)}
      />
      <ul>
        <li>
          <a href="#/" aria-current={route.value.page === 'overview' ? 'page' : undefined}>
            {t('nav.overview')}
          </a>
        </li>
      </ul>
      {SECTIONS.map((section) => (
        <SectionView key={section} section={section} listed={sections.value.get(section) ?? []} words={words} />
      ))}
    </nav>
  );
}

/** The rest is there for those who look for it. */
const CLOSED: ReadonlySet<Section> = new Set(['other']);

function SectionView({ section, listed, words }: { section: Section; listed: readonly Listed[]; words: string }) {
  const shown = listed.filter(({ kind, resource }) => `${kind} ${resource}`.toLowerCase().includes(words));
  if (shown.length === 0) return null;
  return (
    <details open={!CLOSED.has(section) || words !== ''}>
      <summary>{t(`nav.${section}`)}</summary>
      <ul>
        {shown.map((one) => (
          <Entry key={`${one.group}/${one.resource}`} one={one} />
        ))}
      </ul>
    </details>
  );
}

function Entry({ one }: { readonly one: Listed }) {
  const { group, resource, kind } = one;
  const everywhere = may({ verb: 'list', group, resource }).value;
  // Asked only of those who may not list them everywhere.
  const isListed =
    everywhere === false
      ? may({ verb: 'list', group, resource, namespace: chosenNamespace.value || 'default' }).value
      : everywhere;
  if (isListed !== true) return null;
  const current = route.value;
  const isCurrent =
    (current.page === 'list' || current.page === 'object') && current.group === group && current.resource === resource;
  return (
    <li>
      <a href={formatRoute(listRoute(one))} aria-current={isCurrent ? 'page' : undefined} title={group}>
        {kind}
      </a>
    </li>
  );
}
