/**
 * `$(NAME)` in commands, arguments and environment values; `$$` stands for a dollar sign. A reference extends to the first `)`,
 * whatever comes before it: `$(A $(B))` refers to `A $(B`.
 */

/** Unknown references are left unchanged. */
export const expand = (text: string, variables: ReadonlyMap<string, string>): string =>
  expandWith(text, (name) => variables.get(name) ?? `$(${name})`);

/** Linear: a value may be a megabyte of `$(`. */
export function expandWith(text: string, valueOf: (name: string) => string): string {
  let expanded = '';
  let from = 0;
  let closer = 0;
  for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', from)) {
    expanded += text.slice(from, at);
    const next = text[at + 1];
    if (next === '(' && closer >= 0 && closer <= at) closer = text.indexOf(')', at);
    if (next === '(' && closer >= 0) {
      expanded += valueOf(text.slice(at + 2, closer));
      from = closer + 1;
    } else if (next === '$') {
      expanded += '$';
      from = at + 2;
    } else {
      expanded += '$';
      from = at + 1;
    }
  }
  return expanded + text.slice(from);
}
