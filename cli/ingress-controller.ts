import { Command } from 'commander';
import { ingressSettings } from '../addons/ingress/config.ts';
import { daemonSettings } from './daemon-settings.ts';
import { runDaemon } from './daemon.ts';
import { settingsFlags } from './settings.ts';

/** `kedge ingress-controller`: serves Ingresses with HAProxy; the DaemonSet `kedge-ingress` runs it. */
export const ingressControllerCommand = (): Command =>
  settingsFlags(
    new Command('ingress-controller').description('serve Ingresses on this host with HAProxy (docs/ingress.md)'),
    ingressSettings,
  ).action(async (flags: Record<string, unknown>) => {
    const config = await daemonSettings(ingressSettings, flags);
    const { runIngressController } = await import('../addons/ingress/main.ts');
    await runDaemon('ingress', config, (signal, logger) => runIngressController(config, signal, logger));
  });
