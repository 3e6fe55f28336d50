/** A value of some 100 bytes to 9 KB, all of it told by its name, so that a part of one is not taken for the whole. */
export function crashValue(name: string): Buffer {
  const repeats = 10 + ([...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) % 800);
  return Buffer.from(`${name}|`.repeat(repeats));
}
