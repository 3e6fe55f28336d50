import { Command } from 'commander';

/** What the agent runs as processes of their own; of no use to people, so not shown in the help. */
export const agentHelperCommands = (): Command[] => [
  new Command('volume-helper').action(async () => {
    const { runVolumeHelper } = await import('../agent/host/volume-helper/main.ts');
    await runVolumeHelper();
  }),
  new Command('host-facts').action(async () => {
    const { printHostFacts } = await import('../agent/host/host-facts.ts');
    await printHostFacts();
  }),
];
