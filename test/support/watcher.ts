/**
 * Watches the ConfigMaps of a cluster and prints the name of each, and of each that is labelled `changed`, as events
 * arrive.
 */
import { pino } from 'pino';
import { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import { configMaps } from '../../client/resources.gen.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';

const config = await loadKubeconfig(process.argv[2] ?? '');
const client = new ApiClient(config);
const informer = new Informer<ConfigMap>({ client, resource: configMaps, logger: pino({ level: 'silent' }) });
const print = ({ metadata }: ConfigMap): void => {
  console.log(metadata?.name);
  if (metadata?.labels?.['changed']) console.log(`${metadata.name} changed`);
};
informer.addHandlers({ onAdd: print, onUpdate: (_, map) => print(map) });
await informer.run(AbortSignal.any([]));
