import { access } from 'node:fs/promises';
import { Command } from 'commander';
import type { Verdict } from '../../agent/inspect/why/verdict.ts';
import type { AgentConfig } from '../../agent/config.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { kubeconfigFile, KUBECONFIG_HELP, openCluster } from '../cluster-access.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { printable, print, printJson } from '../output.ts';
import { exitsWithFindings } from '../usage.ts';

interface WhyFlags extends NodeFlags {
  readonly namespace?: string;
  readonly kubeconfig?: string;
}

/** Something is wrong; 1 is that of a command that failed. */
const EXIT_WRONG = 2;

/** The evidence, then what follows from it. */
export function whyText({ step, text, evidence, advice }: Verdict): string {
  return [
    ...evidence.map((words) => `  ${printable(words)}`),
    `=> ${step === undefined ? '' : `${step}: `}${printable(text)}`,
    ...(advice === undefined ? [] : [`   to go on: ${printable(advice)}`]),
  ].join('\n');
}

function say(verdict: Verdict, { output }: WhyFlags): void {
  if (output === 'json') printJson({ ok: verdict.step === undefined, ...verdict });
  else print(whyText(verdict));
  if (verdict.step !== undefined) process.exitCode = EXIT_WRONG;
}

/** An administrator's kubeconfig where there is one, otherwise the identity of the node; undefined on a host without either. */
async function openApi(
  config: AgentConfig,
  given: string | undefined,
): Promise<(AsyncDisposable & { readonly client: ApiClient }) | undefined> {
  const file = await kubeconfigFile(given, process.env);
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (given !== undefined || isThere) return openCluster(file);
  const { openNodeClient } = await import('../../agent/node-view.ts');
  const client = await openNodeClient(config);
  return client && { client, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

const whyPod = (name: string, flags: WhyFlags): Promise<void> =>
  onNode('why', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json');
    const { nodeNameOf } = await import('../../agent/config.ts');
    const { parsePodName } = await import('../../agent/inspect/pod-name.ts');
    const { podEvidence } = await import('../../agent/inspect/why/gather.ts');
    const { judgePod } = await import('../../agent/inspect/why/judge-pod.ts');
    const wanted = parsePodName(name, flags.namespace);
    await using api = await openApi(config, flags.kubeconfig);
    say(judgePod(await podEvidence(config, nodeNameOf(config), api?.client, wanted, signal)), flags);
  });

const whyNode = (flags: WhyFlags): Promise<void> =>
  onNode('why', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json');
    const { nodeNameOf } = await import('../../agent/config.ts');
    const { nodeEvidence } = await import('../../agent/inspect/why/gather.ts');
    const { judgeNode } = await import('../../agent/inspect/why/judge-node.ts');
    await using api = await openApi(config, flags.kubeconfig);
    say(judgeNode(await nodeEvidence(config, nodeNameOf(config), api?.client, signal)), flags);
  });

const withOptions = (command: Command): Command =>
  exitsWithFindings(command)
    .option('--kubeconfig <file>', `${KUBECONFIG_HELP}; without one the node's own identity is used`)
    .option('-o, --output <form>', 'json');

/** `kedge why`: the first thing that is wrong with a pod or with this node. */
export const whyCommand = (): Command =>
  new Command('why')
    .description(`say the first thing that is wrong, with the evidence; exits with ${EXIT_WRONG} when something is`)
    .addCommand(
      withOptions(
        nodeCommand(
          'pod',
          'from scheduling to image, volumes, sandbox, network, start and probes; also when the api-server is gone',
        )
          .argument('<pod>', '[NAMESPACE/]NAME')
          .option('-n, --namespace <namespace>', "the pod's namespace"),
      ).action(whyPod),
    )
    .addCommand(
      withOptions(nodeCommand('node', 'of this host: what kedge doctor finds, and what the api-server has')).action(
        whyNode,
      ),
    );
