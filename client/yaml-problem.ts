/** What is wrong with a YAML text, without the excerpt that the library shows in the lines below. */
export const yamlProblem = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]?.replace(/:$/, '') ?? '';
