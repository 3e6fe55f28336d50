/** A trace of a connection that nobody makes, for as long as the process runs. */
import { traceConnection } from '../../../agent/network/netfilter/packet-trace.ts';
import { IpAddress } from '../../../api/domain/address.ts';

const address = (text: string): IpAddress => {
  const parsed = IpAddress.parse(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
};
const never = (): Promise<never> => {
  process.stdout.write('tracing\n');
  return new Promise(() => undefined);
};
await traceConnection(
  {
    ...{ protocol: 'TCP', source: address('10.42.0.3'), sourcePort: 40_000 },
    ...{ destination: address('10.43.0.5'), port: 80 },
  },
  { limitMs: 60_000, signal: new AbortController().signal },
  never,
);
