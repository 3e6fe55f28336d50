import t from 'tap';
import { isPortNumber, parsePortNumber } from '../../../api/domain/port-number.ts';

t.test('a port is an integer from 1 to 65535', async (t) => {
  for (const port of [1, 80, 65_535]) t.ok(isPortNumber(port), `${port}`);
  for (const other of [0, -1, 65_536, 1.5, NaN, Infinity, '80', null, undefined])
    t.notOk(isPortNumber(other), `${other}`);
});

t.test('a port in a string has decimal digits only', async (t) => {
  t.equal(parsePortNumber('1'), 1);
  t.equal(parsePortNumber('00080'), 80);
  t.equal(parsePortNumber('65535'), 65_535);
  for (const text of ['', '0', '65536', '000080', '+80', '-1', ' 80', '80 ', '0x50', '8e1', '80.0'])
    t.equal(parsePortNumber(text), undefined, JSON.stringify(text));
});
