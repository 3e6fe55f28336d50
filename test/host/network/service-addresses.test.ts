/** The link that has the addresses of Services in mode ipvs, on whatever this machine's kernel makes it of. */
import net from 'node:net';
import t from 'tap';
import { SERVICE_LINK } from '../../../agent/host/link-addresses.ts';
import { run } from '../../../agent/host/run.ts';
import { ServiceAddresses } from '../../../agent/network/services/backends/ipvs/service-addresses.ts';
import { enterNamespace, ip } from './pod-namespaces.ts';

enterNamespace();

const { signal } = new AbortController();
const OF = { IPv4: ['10.43.0.5', '10.43.0.6'], IPv6: ['fd00:43::5', 'fd00:43::6'] } as const;
const linkOf = async (): Promise<string> => (await run('ip', ['address', 'show'])).stdout;

/** The error's code, or `connected`. */
const connect = (host: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = net.connect({ host, port: 1, timeout: 2_000 }, () => resolve('connected'));
    socket.on('timeout', () => socket.destroy(new Error('no answer')));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });

t.test("addresses of both families are the host's own as long as they are there, and nothing else is", async (t) => {
  await ip('link', 'set', 'lo', 'up');
  const families = [new ServiceAddresses('IPv4', signal), new ServiceAddresses('IPv6', signal)] as const;
  const [v4, v6] = families;
  t.equal(await v4.list(), undefined);
  await v4.create();
  await v4.add(OF.IPv4);
  await v6.add(OF.IPv6);
  t.strictSame([...((await v4.list()) ?? [])].sort(), OF.IPv4);
  t.strictSame([...((await v6.list()) ?? [])].sort(), OF.IPv6);
  for (const address of [...OF.IPv4, ...OF.IPv6]) t.equal(await connect(address), 'ECONNREFUSED', address);
  t.notMatch(await linkOf(), /fe80::|tentative/, 'no others, and all at once');
  await v4.remove(OF.IPv4);
  await v4.removeLink();
  t.match(await linkOf(), SERVICE_LINK, 'while the other family has addresses');
  await v6.remove(OF.IPv6);
  await v6.removeLink();
  await v6.removeLink();
  t.notMatch(await linkOf(), SERVICE_LINK);
});
