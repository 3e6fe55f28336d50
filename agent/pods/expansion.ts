/** `$(NAME)` in commands, arguments and environment values; `$$` stands for a dollar sign. */

/** Names that are not known stay as they are written. */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  if (!text.includes('$')) return text;
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (variables.get(name) ?? match),
  );
}
