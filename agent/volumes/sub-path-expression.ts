/**
 * `subPathExpr`: `$(NAME)` stands for an environment variable of the container, `$$` for a dollar sign. Throws for a name
 * that the container does not have: https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment
 */
export function expandSubPath(expression: string, env: Readonly<Record<string, string>>): string {
  return expression.replace(/\$\$|\$\(([^()]+)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return '$';
    const value = env[name];
    if (value === undefined)
      throw new Error(`subPathExpr ${JSON.stringify(expression)} names ${match}, which is not set`);
    return value;
  });
}
