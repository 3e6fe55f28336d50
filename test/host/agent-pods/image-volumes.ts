/** An image of two layers, for image volumes: the second one replaces a file of the first. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packImage, tar } from '../../../scripts/images.ts';
import { platformOf } from '../../../scripts/platform.ts';

export const MODEL_IMAGE = 'kedge.test/model:1';

/** Returns the archive, in `directory`. */
export async function makeModelImage(directory: string): Promise<string> {
  const folder = path.join(directory, 'model-image');
  for (const layer of ['base', 'update']) await mkdir(path.join(folder, layer, 'model'), { recursive: true });
  await writeFile(path.join(folder, 'base/model/weights'), 'old');
  await writeFile(path.join(folder, 'base/model/readme'), 'hello');
  await writeFile(path.join(folder, 'update/model/weights'), 'new');
  const update = path.join(folder, 'update.tar');
  await tar(path.join(folder, 'update'), update);
  await packImage(folder, MODEL_IMAGE, path.join(folder, 'base'), {}, await platformOf(), [await readFile(update)]);
  for (const part of ['base', 'update', 'update.tar']) await rm(path.join(folder, part), { recursive: true });
  return path.join(folder, 'model.tar');
}
