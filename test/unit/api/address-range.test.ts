import t from 'tap';
import { IpAddress } from '../../../api/domain/address.ts';
import { AddressRange } from '../../../api/domain/address-range.ts';

const shown = (text: string): string | undefined => {
  const range = AddressRange.parse(text);
  return range && `${range.first.text} to ${range.last.text}`;
};

t.test('ranges are read as they are written', (t) => {
  const rows: [text: string, expected: string | undefined][] = [
    ['192.0.2.7', '192.0.2.7 to 192.0.2.7'],
    ['192.0.2.10-192.0.2.20', '192.0.2.10 to 192.0.2.20'],
    ['192.0.2.10 - 192.0.2.20', '192.0.2.10 to 192.0.2.20'],
    // Neither the network's own address nor the one for all of its hosts.
    ['192.0.2.16/28', '192.0.2.17 to 192.0.2.30'],
    ['192.0.2.16/31', '192.0.2.16 to 192.0.2.17'],
    ['192.0.2.16/32', '192.0.2.16 to 192.0.2.16'],
    ['2001:db8::/126', '2001:db8:: to 2001:db8::3'],
    ['192.0.2.20-192.0.2.10', undefined],
    ['192.0.2.10-2001:db8::1', undefined],
    ['192.0.2.1-192.0.2.2-192.0.2.3', undefined],
    ['192.0.2.0/33', undefined],
    ['192.0.2.0/28-192.0.2.40', undefined],
    ['-', undefined],
    ['', undefined],
    ['constructor', undefined],
  ];
  for (const [text, expected] of rows) t.equal(shown(text), expected, text);
  t.end();
});

t.test('the first address that is free is given, and none when all are taken', (t) => {
  const range = AddressRange.parse('192.0.2.254-192.0.3.1')!;
  const taken = new Set(['192.0.2.254']);
  const given: (string | undefined)[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const free = range.firstFree(({ text }) => taken.has(text))?.text;
    given.push(free);
    taken.add(free ?? '');
  }
  t.strictSame(given, ['192.0.2.255', '192.0.3.0', '192.0.3.1', undefined]);
  t.ok(range.contains(IpAddress.parse('192.0.3.0')!));
  t.notOk(range.contains(IpAddress.parse('192.0.3.2')!));
  t.notOk(range.contains(IpAddress.parse('::192.0.3.0')!), 'of the other family');
  t.end();
});

t.test('ranges overlap when they share an address', (t) => {
  const overlap = (a: string, b: string) => AddressRange.parse(a)!.overlaps(AddressRange.parse(b)!);
  t.ok(overlap('192.0.2.0/24', '192.0.2.9'));
  t.ok(overlap('192.0.2.9', '192.0.2.0/24'));
  t.ok(overlap('192.0.2.1-192.0.2.5', '192.0.2.5-192.0.2.9'));
  t.notOk(overlap('192.0.2.1-192.0.2.5', '192.0.2.6-192.0.2.9'));
  t.end();
});
