/** What the table has whatever the policies say: where packets are taken to the chains of pods. */
import type { IpFamily } from '../../../api/domain/address.ts';
import { ADDRESS_TYPE, HEADER, selfMatch, verdictMap } from './compile.ts';
import type { Direction } from './policy-facts.ts';
import { changes, NO_CONTENT, type TableContent } from './table-content.ts';

const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];
const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
/** Before the rules of Services and firewalls, and after all translation of destinations. */
const HOOK_PRIORITY = 'filter - 5';
/** After IPVS (at 99), which takes packets to Services away from the host: those come by the output hook then, translated. */
const INPUT_PRIORITY = '105';
const NEIGHBOUR_DISCOVERY =
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept';

const judged = (direction: Direction, family: IpFamily): string =>
  `ct ${direction === 'egress' ? 'original' : 'reply'} ${HEADER[family]} saddr vmap @${verdictMap(direction, family)}`;

/** Without a connection only rules pass that say nothing of one: what is allowed to everybody on every port. */
const judgedByHeader = (direction: Direction, family: IpFamily): string =>
  `${HEADER[family]} ${direction === 'egress' ? 'saddr' : 'daddr'} vmap @${verdictMap(direction, family)}`;

const chain = (name: string, ...lines: readonly string[]): string =>
  `  chain ${name} {\n    ${lines.join('\n    ')}\n  }\n`;
const hook = (name: string, priority = HOOK_PRIORITY): string =>
  `type filter hook ${name} priority ${priority}; policy accept;`;

/**
 * One transaction that puts a table with this content in the place of any that is there: packets see the one or the other.
 * @param table `inet NAME`
 * @param bridge the pods'; a name without quotes
 */
export function wholeTable(table: string, bridge: string, content: TableContent): string {
  const maps = DIRECTIONS.flatMap((direction) =>
    FAMILIES.map(
      (family) => `add map ${table} ${verdictMap(direction, family)} { type ${ADDRESS_TYPE[family]} : verdict; }\n`,
    ),
  );
  // A table that is not there cannot be deleted.
  const replaced = `add table ${table}\ndelete table ${table}\nadd table ${table}\n`;
  return [replaced, ...maps, changes(table, NO_CONTENT, content), baseChains(table, bridge)].join('');
}

function baseChains(table: string, bridge: string): string {
  const fromPods = `iifname "${bridge}"`;
  const byHeader = (direction: Direction): string[] => FAMILIES.map((family) => judgedByHeader(direction, family));
  const ofConnection = (direction: Direction): string[] => FAMILIES.map((family) => judged(direction, family));
  const withoutConnection = 'ct state invalid,untracked';
  // No policy can name these addresses, which every pod has on the bridge.
  const linkLocal = `${fromPods} ip6 saddr fe80::/10 drop`;
  return `table ${table} {\n${[
    chain('no-connection', ...byHeader('egress'), ...byHeader('ingress')),
    chain('no-connection-to-node', ...byHeader('egress')),
    chain(
      'forward',
      hook('forward'),
      NEIGHBOUR_DISCOVERY,
      // They reach pods by addresses that are not the pods'.
      `${fromPods} fib daddr type { broadcast, multicast } drop`,
      linkLocal,
      `${withoutConnection} goto no-connection`,
      // A pod reaches itself by its Service, whatever policies say.
      ...FAMILIES.map((family) => `${selfMatch(family)} accept`),
      ...ofConnection('egress'),
      ...ofConnection('ingress'),
    ),
    // From pods to their own node; from the node to its pods everything is allowed: the replies here are of the node's connections.
    chain(
      'input',
      hook('input', INPUT_PRIORITY),
      NEIGHBOUR_DISCOVERY,
      linkLocal,
      `${withoutConnection} goto no-connection-to-node`,
      ...ofConnection('egress'),
    ),
    // What IPVS leads to pods, with the client's address still. The node's own packets, and its replies, are allowed.
    chain(
      'output',
      hook('output'),
      'ct direction reply accept',
      'fib saddr type local accept',
      `${withoutConnection} goto no-connection`,
      ...FAMILIES.map((family) => `${selfMatch(family)} accept`),
      ...ofConnection('egress'),
      ...ofConnection('ingress'),
    ),
  ].join('')}}\n`;
}
