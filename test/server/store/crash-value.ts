/** A value of 100 bytes to 9 KB, derived from its name, so that a partial value is detected. */
export function crashValue(name: string): Buffer {
  const repeats = 10 + ([...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) % 800);
  return Buffer.from(`${name}|`.repeat(repeats));
}
