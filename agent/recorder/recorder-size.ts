import { isQuantity, quantityValue } from '../../api/machinery/quantity.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';

/** A segment has to hold some records: below this, the recorder would remember seconds. */
const LEAST_BYTES = 256 * 1024;
const MOST_BYTES = 4 * 1024 ** 3;

/** The bytes of the setting `recorder-size`; 0 for no recorder. Throws SettingValueError. */
export function parseRecorderSize(text: string): number {
  const bytes = isQuantity(text) ? quantityValue(text) : NaN;
  if (bytes === 0 || (bytes >= LEAST_BYTES && bytes <= MOST_BYTES)) return Math.floor(bytes);
  throw new SettingValueError(`${JSON.stringify(text)} is not a quantity from 256Ki to 4Gi, or 0`);
}
