/** How the agent runs its helpers: its own program with a hidden subcommand. */
export const ownCommand = (subcommand: string): string[] => [
  process.execPath,
  ...process.execArgv,
  process.argv[1] ?? '',
  subcommand,
];
