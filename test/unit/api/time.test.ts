/** Times on each day of several years, and on days that there are not. */
import t from 'tap';
import { TimeError } from '../../../api/machinery/time-layout.ts';
import { canonicalMicroTime, canonicalTime } from '../../../api/machinery/time.ts';

const two = (value: number): string => String(value).padStart(2, '0');

/** Undefined when the text is no time. */
function canonicalBy(canonical: (text: string) => string, text: string): string | undefined {
  try {
    return canonical(text);
  } catch (error) {
    if (error instanceof TimeError) return undefined;
    throw error;
  }
}

t.test('times on each day that there is are canonical, and on no other', async (t) => {
  const wrong: string[] = [];
  for (const year of [1900, 2000, 2026, 2028]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const seconds = `${year}-${two(month)}-${two(day)}T23:59:58`;
        const date = new Date(Date.UTC(year, month - 1, day));
        const isThere = month >= 1 && month <= 12 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
        for (const [canonical, text] of [
          [canonicalTime, `${seconds}Z`],
          [canonicalMicroTime, `${seconds}.000001Z`],
        ] as const) {
          if (canonicalBy(canonical, text) !== (isThere ? text : undefined)) wrong.push(text);
        }
      }
    }
  }
  t.strictSame(wrong, []);
});
