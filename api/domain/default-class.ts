/** Which of several default classes of a kind is the one: the newest, and of those made at once the first by name. */
export function newestName(classes: Iterable<readonly [name: string, createdAt: string]>): string | undefined {
  let [found, since]: [string | undefined, string] = [undefined, ''];
  for (const [name, created] of classes) {
    const isBefore = created === since && found !== undefined && name < found;
    if (found === undefined || created > since || isBefore) [found, since] = [name, created];
  }
  return found;
}
