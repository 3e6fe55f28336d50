/** Parses a boolean query parameter as apimachinery does: true when it is present and neither `0` nor `false`. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value !== '0' && value.toLowerCase() !== 'false';
