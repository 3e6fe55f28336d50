/** resourceVersions are numbers that grow, over all resources. An unknown one ('') is older than any. */
export const isOlder = (version: string, than: string): boolean => version === '' || Number(version) < Number(than);
