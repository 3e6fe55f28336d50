import type { Command } from 'commander';
import type { Image } from '../../agent/cri/types.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { bytesText, table } from './table.ts';
import { print, printJson } from '../output.ts';

const SHORT_ID = 'sha256:'.length + 12;
const UNTAGGED = '<none>';

/** A line per name, and one for an image without any. */
export function imagesText(images: readonly Image[], wide: boolean): string {
  const rows = images.flatMap((image) => {
    const { id, repoTags, repoDigests, size, pinned } = image;
    const names = repoTags.length > 0 ? repoTags : [repoDigests[0] ?? UNTAGGED];
    return names.map((name) => {
      const row = [name, id.slice(0, SHORT_ID), bytesText(size)];
      return wide ? [...row, pinned ? 'yes' : 'no', repoDigests[0]?.replace(/^[^@]*@/, '') ?? '-'] : row;
    });
  });
  rows.sort(([one = ''], [other = '']) => (one < other ? -1 : one > other ? 1 : 0));
  return table(['IMAGE', 'ID', 'SIZE', ...(wide ? ['PINNED', 'DIGEST'] : [])], rows);
}

const images = (flags: NodeFlags): Promise<void> =>
  onNode('images', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json', 'wide');
    const { withRuntime } = await import('../../agent/inspect/runtime-pods.ts');
    const found = await withRuntime(config, (cri) => cri.listImages({ signal }));
    if (flags.output === 'json') printJson({ images: found });
    else print(found.length === 0 ? 'no images' : imagesText(found, flags.output === 'wide'));
  });

/** `kedge images`: the images on this host. */
export const imagesCommand = (): Command =>
  nodeCommand('images', "list this host's images")
    .option('-o, --output <form>', 'json, or wide for digests')
    .action(images);
