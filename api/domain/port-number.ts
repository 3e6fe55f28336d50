/** The numbers of ports of TCP, UDP and SCTP. */

export const MAX_PORT = 65_535;

/** An integer from 1 to 65535. */
export const isPortNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_PORT;

/** Up to five decimal digits; undefined for anything else, and for what is no port. */
export function parsePortNumber(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : undefined;
  return isPortNumber(port) ? port : undefined;
}
