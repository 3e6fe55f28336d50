import t from 'tap';
import { defaultRouteAddress } from '../../../control-plane/apiserver/bootstrap/advertised-address.ts';

const card = (address: string, internal = false) => [{ family: 'IPv4', address, internal }] as never;
const interfaces = { lo: card('127.0.0.1', true), eth0: card('192.0.2.7'), eth1: card('198.51.100.7') };
const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n';
const route = (name: string, metric: number): string => `${name}\t00000000\t01020304\t3\t0\t0\t${metric}\t00000000\n`;

t.test('advertises the address of the default route, or else any that is not loopback', async (t) => {
  t.equal(defaultRouteAddress(HEAD + route('eth0', 200) + route('eth1', 100), interfaces), '198.51.100.7');
  t.equal(defaultRouteAddress(HEAD, interfaces), '192.0.2.7', 'no default route');
  const six = (address: string) => ({ family: 'IPv6', address, internal: false });
  const both = { eth0: [...card('192.0.2.7'), six('fe80::1'), six('fd00::7')] } as never;
  t.equal(defaultRouteAddress(HEAD, both, 'IPv6'), 'fd00::7', 'none of the link alone');
  t.equal(defaultRouteAddress(HEAD, interfaces, 'IPv6'), undefined);
  t.equal(defaultRouteAddress('', { lo: card('127.0.0.1', true) }), undefined);
});
