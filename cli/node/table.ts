/** Tables as kubectl prints them: columns by their widest cell, three spaces apart. Pure. */
import { printable } from '../output.ts';

const GAP = '   ';

/** The heading and a line per row. Nothing is padded at the end of a line. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [heading, ...rows].map((row) => row.map(printable));
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join(GAP);
  return cells.map((row) => line(row).trimEnd()).join('\n');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `12.3MiB`. */
export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  let unit = 0;
  let amount = bytes;
  for (; amount >= 1024 && unit < UNITS.length - 1; unit++) amount /= 1024;
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)}${UNITS[unit]}`;
}
