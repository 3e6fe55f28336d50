import { BlockList, isIP } from 'node:net';
import t from 'tap';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { kubernetesServiceIp } from '../../../api/domain/cluster-ranges.ts';
import { validateCIDR, validateEndpointIP, validateIP } from '../../../api/machinery/names.ts';

t.test('parses every notation of an address to the same address', async (t) => {
  const canonical = {
    '10.9.8.7': '10.9.8.7',
    '010.009.8.0007': '10.9.8.7',
    '::ffff:10.9.8.7': '10.9.8.7',
    '::FFFF:a09:807': '10.9.8.7',
    '0::1': '::1',
    '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    'fe80:00000::1.2.3.4': 'fe80::102:304',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
    '::': '::',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff': 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  };
  for (const [text, expected] of Object.entries(canonical)) t.equal(IpAddress.parse(text)?.text, expected, text);
});

t.test('rejects invalid addresses', async (t) => {
  const texts = ['', ' ', '10.0.0.1 ', '10.0.0.1\n', '10.0.0', '10.0.0.256', '10.0.0.0x1', '1e1.0.0.1', '10.0.0.1/32'];
  for (const text of [...texts, ':', ':::', '1::2::3', '::1%lo', 'fe80::1%eth0', '::g', '1:2:3:4:5:6:7:8:9', '[::1]'])
    t.equal(IpAddress.parse(text), undefined, JSON.stringify(text));
});

t.test('a CIDR is its network and prefix length, whatever host bits are set', async (t) => {
  const canonical = {
    '10.1.2.3/8': '10.0.0.0/8',
    '10.0.0.0/008': '10.0.0.0/8',
    '0.0.0.0/0': '0.0.0.0/0',
    '10.9.8.7/32': '10.9.8.7/32',
    '2001:db8:ffff::/32': '2001:db8::/32',
    '::ffff:10.1.0.0/104': '10.0.0.0/8',
    '::ffff:10.1.0.0/64': '::/64',
  };
  for (const [text, expected] of Object.entries(canonical)) t.equal(Cidr.parse(text)?.text, expected, text);
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8 ',
    '10.0.0.0/8/8',
    '::/129',
    '/8',
  ])
    t.equal(Cidr.parse(text), undefined, JSON.stringify(text));
});

t.test('a CIDR contains the addresses of its family with its prefix', async (t) => {
  const isIn = (range: string, address: string) => Cidr.parse(range)!.contains(IpAddress.parse(address)!);
  t.ok(isIn('10.43.0.0/16', '10.43.255.255'));
  t.notOk(isIn('10.43.0.0/16', '10.44.0.0'));
  t.ok(isIn('10.43.0.0/16', '::ffff:10.43.0.1'), 'an IPv4-mapped address is the IPv4 address');
  t.notOk(isIn('0.0.0.0/0', '::1'));
  t.ok(isIn('::/0', '2001:db8::1'));
  t.ok(Cidr.host(IpAddress.parse('10.0.0.1')!).contains(IpAddress.parse('10.0.0.1')!));
});

t.test('recognizes loopback, unspecified, link-local and multicast addresses in every notation', async (t) => {
  const loopback = ['127.0.0.1', '127.255.0.1', '0::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '127.000.0.1'];
  for (const text of loopback) t.ok(IpAddress.parse(text)?.isLoopback, text);
  for (const text of ['169.254.169.254', 'fe80::1', 'febf::1']) t.ok(IpAddress.parse(text)?.isLinkLocalUnicast, text);
  for (const text of ['224.0.0.1', 'ff02::1', 'ff12::1']) t.ok(IpAddress.parse(text)?.isLinkLocalMulticast, text);
  for (const text of ['ff01::1', 'ff11::1']) t.ok(IpAddress.parse(text)?.isInterfaceLocalMulticast, text);
  for (const text of ['239.1.1.1', 'ff0e::1']) t.ok(IpAddress.parse(text)?.isMulticast, text);
  for (const text of ['0.0.0.0', '::', '::ffff:0.0.0.0']) t.ok(IpAddress.parse(text)?.isUnspecified, text);
  const { isLoopback, isLinkLocalUnicast, isMulticast, isUnspecified } = IpAddress.parse('10.0.0.1')!;
  t.notOk(isLoopback || isLinkLocalUnicast || isMulticast || isUnspecified);
});

t.test('ambiguous addresses and CIDRs are rejected unless they are stored already', async (t) => {
  t.same(validateIP('2001:DB8::0:1'), []);
  t.same(validateIP('010.0.0.1'), ['must not have leading 0s']);
  t.same(validateIP('::ffff:10.0.0.1'), ['must not be an IPv4-mapped IPv6 address']);
  t.same(validateIP('x'), ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']);
  t.same(validateIP('010.0.0.1', ['010.0.0.1']), []);
  t.same(validateCIDR('10.0.0.0/008'), ['must not have leading 0s in IP or prefix length']);
  t.same(validateCIDR('::ffff:10.0.0.0/104'), ['must not have an IPv4-mapped IPv6 address']);
  t.same(validateCIDR('10.0.0.1/8'), ['must not have bits set beyond the prefix length']);
  t.same(validateCIDR('10.0.0.0/8\n'), ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']);
  t.same(validateCIDR('10.0.0.1/8', ['10.0.0.1/8']), []);
  t.same(validateEndpointIP('0::1'), ['may not be in the loopback range (127.0.0.0/8, ::1/128)']);
  t.same(validateEndpointIP('0.0.0.0'), ['may not be unspecified (0.0.0.0)']);
});

/** The same numbers in each run (a 32-bit linear congruential generator). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

t.test('parses random addresses of both families as other parsers do', async (t) => {
  const next = numbers(1);
  for (let round = 0; round < 2_000; round++) {
    const groups = Array.from({ length: 8 }, () => (next(2) ? 0 : next(65_536)));
    if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) continue;
    const written = groups.map((group) => group.toString(16)).join(':');
    const address = IpAddress.parse(written)!;
    // The URL standard uses the format of RFC 5952, too.
    t.equal(`[${address.text}]`, new URL(`http://[${written}]`).hostname);
    t.equal(isIP(address.text), 6);
    const again = IpAddress.parse(address.text)!;
    t.ok(again.equals(address) && IpAddress.of('IPv6', address.value).equals(address), address.text);
    const octets = Array.from({ length: 4 }, () => next(256)).join('.');
    t.equal(IpAddress.of('IPv4', IpAddress.parse(octets)!.value).text, octets);
  }
});

t.test('CIDR containment agrees with node:net for random CIDRs of both families', async (t) => {
  const next = numbers(2);
  const hex = () => Array.from({ length: 8 }, () => next(65_536).toString(16));
  for (let round = 0; round < 1_000; round++) {
    const length = next(129);
    const [network, other] = [hex(), hex()];
    // With a common prefix, since hardly any would be contained otherwise.
    const address = [...network.slice(0, next(9)), ...other].slice(0, 8).join(':');
    const list = new BlockList();
    list.addSubnet(network.join(':'), length, 'ipv6');
    const range = Cidr.parse(`${network.join(':')}/${length}`)!;
    t.equal(range.contains(IpAddress.parse(address)!), list.check(address, 'ipv6'), `${address} in ${range.text}`);

    const octets = Array.from({ length: 4 }, () => next(256));
    const near = [...octets.slice(0, next(5)), ...Array.from({ length: 4 }, () => next(256))].slice(0, 4).join('.');
    const list4 = new BlockList();
    list4.addSubnet(octets.join('.'), length % 33, 'ipv4');
    const range4 = Cidr.parse(`${octets.join('.')}/${length % 33}`)!;
    t.equal(range4.contains(IpAddress.parse(near)!), list4.check(near, 'ipv4'), `${near} in ${range4.text}`);
  }
});

t.test('addresses of a CIDR are counted from the network address and end with the CIDR', async (t) => {
  const at = (range: string, index: bigint) => Cidr.parse(range)!.at(index)?.text;
  t.equal(at('10.43.0.0/16', 0n), '10.43.0.0');
  t.equal(at('10.43.0.7/16', 256n), '10.43.1.0');
  t.equal(at('10.43.0.0/16', 65_535n), '10.43.255.255');
  t.equal(at('10.43.0.0/16', 65_536n), undefined);
  t.equal(at('10.43.0.0/16', -1n), undefined);
  t.equal(at('fd00:43::/112', 0xffffn), 'fd00:43::ffff');
  t.equal(at('fd00:43::/112', 0x1_0000n), undefined);
  t.equal(at('::/0', (1n << 128n) - 1n), 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
  t.equal(kubernetesServiceIp('10.43.0.0/16'), '10.43.0.1');
  t.equal(kubernetesServiceIp('fd00:43::/112'), 'fd00:43::1');
  for (const text of ['10.43.0.0', '10.43.0.1/32', '']) t.throws(() => kubernetesServiceIp(text), RangeError);
});
