/**
 * Names of files that are made of several others. Each of those may be as long as its own rule allows, so that together they are
 * longer than any file system takes: then the one that matters least is cut. Pure.
 */

/** ext4, xfs, tmpfs and most others take 255 bytes. */
const MAX_FILE_NAME_BYTES = 255;

/** `before` + `name` + `after`, with so much of the end of `name` left out as it takes. They are ASCII, as names in the API are. */
export function fittingFileName(before: string, name: string, after: string): string {
  const room = MAX_FILE_NAME_BYTES - before.length - after.length;
  if (room < 0) throw new Error(`no room for a name between ${before} and ${after}`);
  return `${before}${name.slice(0, room)}${after}`;
}
