import t from 'tap';
import { containerConfig } from '../../../agent/pods/containers/container-config.ts';
import {
  containerEnvironment,
  environmentText,
  variablesWithoutText,
} from '../../../agent/pods/containers/environment.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

const RAW = Buffer.from('cafeff0141', 'hex');
const secret = {
  metadata: { name: 's' },
  data: { raw: RAW.toString('base64'), text: Buffer.from('é').toString('base64') },
};
const sources = {
  objects: {
    configMap: async () => ({ metadata: { name: 'c' }, data: { KEY: 'größe' } }),
    secret: async () => secret,
  },
  services: () => [],
  allocatable: () => ({ cpu: 1, memory: 1 }),
  hostIPs: ['10.0.0.1'],
  nodeName: 'node-1',
};
const fromSecret = (name: string, key: string) => ({ name, valueFrom: { secretKeyRef: { name: 's', key } } });

async function environmentOf(container: Container): Promise<Map<string, Buffer>> {
  const pod = { metadata: { name: 'p', namespace: 'default' }, spec: { containers: [container] } } as Pod;
  return containerEnvironment(pod, container, ['10.1.0.1'], sources as never, new AbortController().signal);
}

t.test('Secret values reach the runtime byte for byte, also by $(NAME) references', async (t) => {
  const environment = await environmentOf({
    name: 'c',
    image: 'i',
    envFrom: [{ secretRef: { name: 's' } }, { configMapRef: { name: 'c' } }],
    env: [fromSecret('RAW', 'raw'), { name: 'BOTH', value: 'ä$(RAW)$(KEY)$$(X)' }, fromSecret('TEXT', 'text')],
  });
  t.strictSame(environment.get('raw'), RAW);
  t.strictSame(environment.get('RAW'), RAW);
  t.strictSame(environment.get('BOTH'), Buffer.concat([Buffer.from('ä'), RAW, Buffer.from('größe$(X)')]));
  t.equal(environment.get('TEXT')?.toString(), 'é');
  t.strictSame(variablesWithoutText(environment), ['raw', 'RAW', 'BOTH']);
  t.strictSame(Object.keys(environmentText(environment)), ['text', 'KEY', 'TEXT'], 'paths must be valid UTF-8');
});

t.test('arguments must be valid UTF-8 after expansion', async (t) => {
  const container = { name: 'c', image: 'i', env: [fromSecret('RAW', 'raw'), fromSecret('TEXT', 'text')] } as Container;
  const environment = await environmentOf(container);
  const config = (args: string[]) =>
    containerConfig({
      pod: { metadata: { name: 'p', uid: 'u' }, spec: { containers: [container] } },
      container: { ...container, args },
      restartCount: 0,
      backOffSeconds: 0,
      image: { id: 'i' } as never,
      environment,
      mounts: [],
      host: { cpus: 1, memoryBytes: 1 } as never,
    });
  t.strictSame(config(['ü', '$(TEXT)ß']).args, ['ü', 'éß']);
  t.throws(() => config(['a$(RAW)']), {
    reason: 'CreateContainerConfigError',
    message: '"a$(RAW)" refers to a value that is not valid UTF-8',
  });
});
