/** The limits of a pod's resolver configuration: glibc's for name servers, upstream's `pkg/apis/core/validation` for search paths. */
export const MAX_NAMESERVERS = 3;
export const MAX_SEARCHES = 32;
