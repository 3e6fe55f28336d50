/** What `kedge proxy show` prints. */
import type { ProxyListing, ShownPort, ShownService } from '../agent/proxy-show.ts';
import type { RuleState } from '../agent/network/services/backends/rule-listing.ts';

const MARKS: Readonly<Record<RuleState, string>> = { 'in force': '=', missing: '-', different: '~', foreign: '+' };

export function listingText({ mode, problems, services }: ProxyListing): string {
  const blocks = services.map((service) => serviceText(service, mode));
  if (problems.length > 0)
    blocks.unshift(['the kernel lacks what every Service needs:', ...problems.map((each) => `  ${each}`)].join('\n'));
  return blocks.join('\n\n');
}

function serviceText(service: ShownService, mode: string): string {
  const { namespace, name, family, addresses, policies, ports, rules, differences } = service;
  const title = `Service ${namespace}/${name}`;
  if (family === undefined) return [title, ...policies.map((policy) => `  ${policy}`)].join('\n');
  const lines = [
    `${title}  ${addresses.join(', ')}  (${family}, mode ${mode})`,
    ...policies.map((policy) => `  ${policy}`),
    ...ports.flatMap(portLines),
    '  rules (= in force, - missing, ~ different, + not wanted):',
  ];
  let last = '';
  for (const { state, where, text } of rules) {
    if (where !== last) lines.push(`    ${where}`);
    last = where;
    lines.push(`      ${MARKS[state]} ${text}`);
  }
  const verdict = differences.length === 0 ? 'the kernel has all of them, and no other' : differences.join('; ');
  return [...lines, `  => ${verdict}`].join('\n');
}

function portLines({ label, protocol, port, nodePort, endpoints }: ShownPort): string[] {
  const atNode = nodePort === undefined ? '' : `, node port ${nodePort}`;
  const used = endpoints.filter(({ leftOut }) => leftOut === undefined).length;
  return [
    `  ${label}  ${protocol} ${port}${atNode}: ${used} of ${endpoints.length} endpoints in use`,
    ...endpoints.map(({ address, pod, leftOut }) =>
      [
        '   ',
        address,
        ...(pod === undefined ? [] : [`(${pod})`]),
        ...(leftOut === undefined ? [] : [`- ${leftOut}`]),
      ].join(' '),
    ),
  ];
}
