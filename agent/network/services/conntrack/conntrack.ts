/** Deletes the UDP flows that lead to no serving endpoint: reads the kernel's table, deletes what udp-flows.ts names. */
import type { IpFamily } from '../../../../api/domain/address.ts';
import { ownAddresses } from '../../../host/own-addresses.ts';
import { ProgramError, run } from '../../../host/run.ts';
import { unionOf, isEmpty, isLocalAddress, isStale, parseFlow, type UdpFlow, type ExpectedFlows } from './udp-flows.ts';

/** A table of a million entries is printed in a few seconds. */
const TIME_LIMIT_MS = 60_000;
/** Flows of one frontend to one endpoint are deleted together: so many such pairs in one pass, and so many passes. */
const MAX_PAIRS = 500;
const MAX_PASSES = 10;
/** Longer than any entry: what has no line end by then is none. */
const MAX_LINE = 4096;

const NOTHING: ExpectedFlows = { addresses: new Map(), nodePorts: new Map() };

/** Of one IP family. */
export class UdpFlows {
  readonly #family: IpFamily;
  /** What was wanted when the table was last compared, and at each attempt since that has failed. */
  #before = NOTHING;

  constructor(family: IpFamily) {
    this.#family = family;
  }

  /**
   * The table is only read where a Service has or had UDP ports. Resolves to the number of flows that were deleted. Throws
   * ProgramError; nothing is forgotten then.
   * @param wantedNow asked again before each flow is deleted: it may have become one that is wanted
   */
  async reconcile(wantedNow: () => ExpectedFlows, signal: AbortSignal): Promise<number> {
    const wanted = wantedNow();
    let deleted = 0;
    this.#before = unionOf(this.#before, wanted);
    const isNeeded = !isEmpty(this.#before);
    for (let pass = 0; isNeeded && pass < MAX_PASSES; pass++) {
      const stale = await this.#staleFlows(wanted, signal);
      for (const flow of stale) if (this.#isStale(flow, wantedNow())) deleted += await deleteFlows(flow, signal);
      if (stale.length < MAX_PAIRS) break;
    }
    this.#before = wanted;
    return deleted;
  }

  /** One flow for each pair of frontend and endpoint. */
  async #staleFlows(wanted: ExpectedFlows, signal: AbortSignal): Promise<UdpFlow[]> {
    const addresses = ownAddresses();
    const stale = new Map<string, UdpFlow>();
    await listFlows(
      this.#family,
      (flow) => {
        if (stale.size >= MAX_PAIRS) return;
        if (this.#isStale(flow, wanted, addresses)) stale.set(Object.values(flow).join(), flow);
      },
      signal,
    );
    return [...stale.values()];
  }

  #isStale(flow: UdpFlow, wanted: ExpectedFlows, hostAddresses = ownAddresses()): boolean {
    return isStale(flow, wanted, this.#before, (address) => isLocalAddress(hostAddresses, address));
  }
}

/** The table is read line by line: it may have hundreds of thousands. */
async function listFlows(family: IpFamily, onFlow: (flow: UdpFlow) => void, signal: AbortSignal): Promise<void> {
  let rest = '';
  const onStdout = (text: string): void => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) {
      const flow = parseFlow(line, family);
      if (flow) onFlow(flow);
    }
  };
  await run('conntrack', ['-L', ...udpOf(family)], { timeoutMs: TIME_LIMIT_MS, signal, onStdout });
}

const udpOf = (family: IpFamily): string[] => ['-f', family.toLowerCase(), '-p', 'udp'];

/** Resolves to how many there were. That they have ended by themselves is no failure: conntrack then exits with 1 and says so. */
async function deleteFlows(flow: UdpFlow, signal: AbortSignal): Promise<number> {
  const { family, destination, destinationPort, replySource, replySourcePort } = flow;
  const frontend = ['--orig-dst', destination, '--orig-port-dst', String(destinationPort)];
  const endpoint = ['--reply-src', replySource, '--reply-port-src', String(replySourcePort)];
  // It prints a line for each flow.
  let deleted = 0;
  const onStdout = (text: string): void => {
    for (const character of text) if (character === '\n') deleted++;
  };
  try {
    await run('conntrack', ['-D', ...udpOf(family), ...frontend, ...endpoint], {
      timeoutMs: TIME_LIMIT_MS,
      signal,
      onStdout,
    });
  } catch (error) {
    if (!(error instanceof ProgramError) || !/\b0 flow entries/.test(error.stderr)) throw error;
  }
  return deleted;
}
