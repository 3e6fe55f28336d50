/** Where in the console the user is: the address's fragment. */
import { computed, signal } from '@preact/signals';
import { formatRoute, parseRoute, type ResourceName, type Route } from '../model/route.ts';

const fragment = signal(location.hash);
addEventListener('hashchange', () => (fragment.value = location.hash));

export const route = computed(() => parseRoute(fragment.value));

export function go(to: Route): void {
  location.hash = formatRoute(to);
}

/** Changes the address without a step to go back to. */
export function replace(to: Route): void {
  history.replaceState(null, '', formatRoute(to));
  fragment.value = location.hash;
}

/** The namespace whose objects are listed; '' is all. It stays while one goes through the kinds. */
export const chosenNamespace = signal(sessionStorage.getItem('kedge-console-namespace') ?? '');
chosenNamespace.subscribe((name) => sessionStorage.setItem('kedge-console-namespace', name));

export const listRoute = (which: ResourceName, namespace = chosenNamespace.value): Route => ({
  page: 'list',
  group: which.group,
  version: which.version,
  resource: which.resource,
  namespace,
  filter: '',
});
