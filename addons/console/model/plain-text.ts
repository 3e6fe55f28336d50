/** What containers print, as text to be shown. */

/** Control sequences of terminals (ECMA-48): CSI, OSC and other strings, and two-character escapes. */
// eslint-disable-next-line no-control-regex -- these are what is removed
const SEQUENCES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
/** Other control characters, and those that change the direction of what follows. */
// eslint-disable-next-line no-control-regex -- these are what is replaced
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A line without what only a terminal acts on. */
export const plainLine = (line: string): string =>
  line.replace(/\r$/, '').replace(SEQUENCES, '').replace(CONTROLS, '\ufffd');
