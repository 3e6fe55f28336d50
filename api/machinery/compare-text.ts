/** Orders strings by their UTF-16 code units, as Array.prototype.sort does by default and the locale does not. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
