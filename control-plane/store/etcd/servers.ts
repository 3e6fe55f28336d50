/** The addresses of etcd's members, as users write them. Pure. */

/** The rest of a sentence about what is wrong with the URLs of members; undefined when nothing is. */
export function serversProblem(servers: readonly string[]): string | undefined {
  const odd = servers.find((server) => !isServerUrl(server));
  if (odd !== undefined) return `must list URLs such as https://10.0.0.1:2379, not ${JSON.stringify(odd)}`;
  const twice = servers.find((server, index) => servers.indexOf(server) !== index);
  return twice === undefined ? undefined : `must list each member once, not ${twice} again`;
}

function isServerUrl(server: string): boolean {
  if (!/^https?:\/\/[^/?#@]+$/.test(server) || !URL.canParse(server)) return false;
  const { hostname, port } = new URL(server);
  // A port that is the scheme's own is not in the URL, and is none of etcd's.
  return hostname !== '' && port !== '';
}
