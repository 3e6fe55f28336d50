/** How the console looks and speaks. Kept in the browser: it says nothing of the cluster. */
import { effect, signal } from '@preact/signals';

export const THEMES = ['system', 'light', 'dark'] as const;
export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

const oneOf = <T extends string>(known: readonly T[], value: string | null, otherwise: T): T =>
  known.find((one) => one === value) ?? otherwise;

export const theme = signal(oneOf(THEMES, localStorage.getItem('kedge-console-theme'), 'system'));
export const language = signal<Language>(
  oneOf(LANGUAGES, localStorage.getItem('kedge-console-language'), navigator.language.startsWith('zh') ? 'zh' : 'en'),
);

effect(() => {
  localStorage.setItem('kedge-console-theme', theme.value);
  document.documentElement.dataset['theme'] = theme.value;
});
effect(() => {
  localStorage.setItem('kedge-console-language', language.value);
  document.documentElement.lang = language.value;
});

export const nextOf = <T>(all: readonly T[], current: T): T => all[(all.indexOf(current) + 1) % all.length] ?? current;

/** Changes every ten seconds: ages are told anew. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 10_000);
