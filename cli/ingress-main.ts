/** Entry point of the image `ingress`, which has the controller of Ingresses and no other command. */
import { Command } from 'commander';
import { ingressControllerCommand } from './ingress-controller.ts';
import { runCommand } from './run-command.ts';

await runCommand(new Command('kedge').addCommand(ingressControllerCommand()));
