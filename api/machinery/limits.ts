/** What a body or patch may ask of those who read it, whoever sends it. */

/**
 * Levels of objects and lists within one another. Upstream's decoder allows 10,000, for Go's stack grows; no object of the API
 * has more than a few dozen.
 */
export const MAX_DEPTH = 1_000;

/** Repeated and unknown fields that are told of: as many as upstream's decoder collects. */
export const MAX_PROBLEMS = 100;
