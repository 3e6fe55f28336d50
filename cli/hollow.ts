import { Command } from 'commander';
import { hollowSettings } from '../agent/hollow/config.ts';
import { openCluster } from './cluster-access.ts';
import { runDaemon } from './daemon.ts';
import { loadSettings, settingsFlags } from './settings.ts';

/** `kedge hollow`: many nodes that run nothing. */
export const hollowCommand = (): Command =>
  settingsFlags(
    new Command('hollow').description('many nodes of one process whose pods run nothing, to try a cluster at scale'),
    hollowSettings,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await loadSettings(hollowSettings, flags, {});
    await using forNodes = await openCluster(config.kubeconfig || undefined);
    await using forPods = await openCluster(config.kubeconfig || undefined);
    const clients = { nodes: forNodes.client, pods: forPods.client };
    const { runHollowNodes } = await import('../agent/hollow/main.ts');
    await runDaemon('hollow', config, (signal, logger) => runHollowNodes(config, clients, signal, logger));
  });
