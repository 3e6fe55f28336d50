/** The configuration of a resolver: `resolv.conf(5)`. */
export interface ResolvConf {
  readonly servers: string[];
  readonly searches: string[];
  readonly options: string[];
}

export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let searches: string[] = [];
  const options = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) servers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain')
      searches = values.map((value) => value.replace(/(.)\.$/, '$1'));
    // Lines of options add up; of a repeated one the last counts.
    else if (keyword === 'options') for (const option of values) options.set(optionName(option), option);
  }
  return { servers, searches, options: [...options.values()] };
}

/** `ndots` of `ndots:5`. */
export const optionName = (option: string): string => option.split(':', 1)[0] ?? '';
