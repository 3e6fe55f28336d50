/** How this program runs a helper of its own: the same program with a hidden subcommand. */
export const ownCommand = (subcommand: string): string[] => [
  process.execPath,
  ...process.execArgv,
  process.argv[1] ?? '',
  subcommand,
];
