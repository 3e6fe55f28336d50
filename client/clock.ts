/**
 * Two clocks. The wall clock says what time it is; people and NTP set it, by hours and in both directions. `performance.now()` counts the milliseconds
 * of this process, and nobody sets it: durations, deadlines and ages of what a process remembers are its moments. The wall clock is for times that
 * others have stated, in objects, tokens and certificates, and for them alone: the lint rule `kedge/wall-clock` leaves it no other arithmetic than here.
 */

/** Milliseconds until a time of the wall clock, in ms since the epoch, that an object, token or certificate states; negative when it has passed. */
export const msUntil = (timeMs: number): number => timeMs - Date.now();

/** Milliseconds since such a time; negative when it is yet to come, as by the clock of another host. */
export const msSince = (timeMs: number): number => Date.now() - timeMs;

/** When such a time is over that is so many milliseconds from now: for what others are told. */
export const timeIn = (ms: number): number => Date.now() + ms;

/**
 * A moment of `performance.now()` as ms since the epoch, by the wall clock as it is set now: for decisions that weigh it with what objects state. As
 * long ago, or ahead, as it is, however the wall clock has been set since.
 */
export const wallTimeOf = (momentMs: number): number => Date.now() - (performance.now() - momentMs);
