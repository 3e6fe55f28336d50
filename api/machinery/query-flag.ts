/** A boolean in a query as apimachinery reads it: there and neither `0` nor `false`. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}
