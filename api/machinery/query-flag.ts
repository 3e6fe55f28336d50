/** How query parameters say yes, as apimachinery reads a boolean: there and neither `0` nor `false`. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value !== '0' && value.toLowerCase() !== 'false';
