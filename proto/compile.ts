/** Writes the JSON descriptors that the agent and the store load (no parser runs at start, and a bundle carries them as modules). */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import protobuf from 'protobufjs';

const NAMES = [
  'runtime-v1',
  'containerd-events-v1',
  'containerd-tasks-v1',
  'containerd-snapshots-v1',
  'csi-v1',
  'device-plugin-v1beta1',
  'pod-resources-v1',
  'dra-v1',
  'dra-v1beta1',
  'dra-health-v1alpha1',
  'plugin-registration-v1',
  'etcd-v3',
  'kms-v2',
  'otlp-trace-v1',
];
for (const name of NAMES) {
  const text = await readFile(path.join(import.meta.dirname, `${name}.proto`), 'utf8');
  const { root } = protobuf.parse(text);
  await writeFile(path.join(import.meta.dirname, `${name}.json`), `${JSON.stringify(root.toJSON())}\n`);
}
