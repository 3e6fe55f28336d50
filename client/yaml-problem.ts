/** The first line of a YAML parse error, without the excerpt that the library appends. */
export const yamlProblem = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]?.replace(/:$/, '') ?? '';
