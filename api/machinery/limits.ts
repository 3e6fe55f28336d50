/** Limits on the cost of parsing a body or a patch, whoever sends it: while one is parsed, all other requests wait. */

/**
 * Nesting of objects and lists. Upstream's decoder allows 10,000, since Go's stack grows; no API object has more than a few dozen
 * levels.
 */
export const MAX_DEPTH = 1_000;

/**
 * Tokens of the YAML library, each of which takes about six microseconds of the event loop. A line with a key and a value has seven.
 */
export const MAX_YAML_TOKENS = 150_000;

/** Duplicate and unknown fields that are reported, as many as upstream's decoder collects. */
export const MAX_PROBLEMS = 100;

/**
 * Objects in a body: decoding, defaulting and validating one takes up to fifteen microseconds, and `{}` only three bytes. More than
 * this fit into what upstream stores (1.5 MiB) only if each is shorter than a name and a value.
 */
export const MAX_OBJECTS = 50_000;
/** Members of objects and items of lists, each of which takes some microseconds; an API object has a few thousand at most. */
export const MAX_VALUES = 100_000;

/** No object of more characters of JSON is stored: upstream's limit of etcd. */
export const MAX_OBJECT_CHARS = 1.5 * 1024 * 1024;

/** Validation errors of one object in a response. Validation of long lists and maps stops at this number. */
export const MAX_ERRORS = 1_000;
