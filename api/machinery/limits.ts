/** What a body or patch may ask of those who read it, whoever sends it. One request is read at a time: all others wait. */

/**
 * Levels of objects and lists within one another. Upstream's decoder allows 10,000, for Go's stack grows; no object of the API
 * has more than a few dozen.
 */
export const MAX_DEPTH = 1_000;

/**
 * What the YAML library makes of a text: words, signs, blanks. Each costs it some six microseconds, and nobody else is served
 * meanwhile. A line with a key and a value has seven.
 */
export const MAX_YAML_TOKENS = 150_000;

/** Repeated and unknown fields that are told of: as many as upstream's decoder collects. */
export const MAX_PROBLEMS = 100;

/**
 * Objects in a body: decoding, defaulting and checking one costs up to fifteen microseconds, and `{}` takes three bytes. As many
 * as this only fit what upstream stores (1.5 MiB) where each is shorter than a name and a value.
 */
export const MAX_OBJECTS = 50_000;
/** Members of objects and items of lists, of which one costs some microseconds; an object of the API has a few thousand. */
export const MAX_VALUES = 100_000;

/** Errors of one object that an answer tells of. Checks of long lists and maps end when they have found as many. */
export const MAX_ERRORS = 1_000;
