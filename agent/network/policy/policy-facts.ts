/**
 * A NetworkPolicy, read once: selectors that can be asked, ranges and ports that have been checked. What is invalid in it, as no server
 * should have let through, allows nothing, and is said. https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
import { Cidr } from '../../../api/domain/address.ts';
import { isPortNumber } from '../../../api/domain/port-number.ts';
import { everything, selectorFrom, SelectorError, type Selector } from '../../../api/machinery/selectors.ts';
import type { LabelSelector } from '../../../api/types/meta/v1.gen.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../../../api/types/networking/v1.gen.ts';
import { protocolOf, type Protocol } from './pod-facts.ts';

export type Direction = 'ingress' | 'egress';

/** Pods by their labels, in one namespace (a name) or in those that a selector matches. */
export interface PodSelection {
  readonly namespaces: string | Selector;
  readonly pods: Selector;
}

export interface Block {
  readonly range: Cidr;
  readonly except: readonly Cidr[];
}

export interface Peers {
  readonly selections: readonly PodSelection[];
  readonly blocks: readonly Block[];
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortMatch {
  readonly protocol: Protocol;
  /** What containers call a port is its name; undefined: all ports of the protocol. */
  readonly port: PortRange | string | undefined;
}

export interface RuleFacts {
  /** Undefined: everybody. */
  readonly peers: Peers | undefined;
  /** Undefined: every port of every protocol. */
  readonly ports: readonly PortMatch[] | undefined;
}

export interface PolicyFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly pods: Selector;
  /** Undefined: it does not isolate pods in this direction. */
  readonly ingress: readonly RuleFacts[] | undefined;
  readonly egress: readonly RuleFacts[] | undefined;
  /** What of it allows nothing because it is invalid, as sentences. */
  readonly problems: readonly string[];
}

export function policyFacts({ metadata, spec = {} }: NetworkPolicy): PolicyFacts {
  const namespace = metadata?.namespace ?? '';
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec;
  const reader = new Reader(namespace);
  const types = policyTypes.length > 0 ? policyTypes : ['Ingress', ...(egress.length > 0 ? ['Egress'] : [])];
  return {
    ...{ namespace, name: metadata?.name ?? '', uid: metadata?.uid ?? '' },
    // Pods that it may mean to isolate are not left open.
    pods: reader.selector(podSelector ?? {}, 'spec.podSelector') ?? everything,
    ingress: types.includes('Ingress')
      ? ingress.map(({ from, ports }, index) => reader.rule(`spec.ingress[${index}]`, from, ports))
      : undefined,
    egress: types.includes('Egress')
      ? egress.map(({ to, ports }, index) => reader.rule(`spec.egress[${index}]`, to, ports))
      : undefined,
    problems: reader.problems,
  };
}

/** In one policy's problems: a policy has room for 10,000 peers. */
const MAX_PROBLEMS = 10;

class Reader {
  readonly #namespace: string;
  readonly problems: string[] = [];

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  rule(path: string, peers: readonly NetworkPolicyPeer[] = [], ports: readonly NetworkPolicyPort[] = []): RuleFacts {
    return {
      peers: peers.length > 0 ? this.#peers(peers, path) : undefined,
      ports: ports.length > 0 ? ports.flatMap((port, index) => this.#port(port, `${path}.ports[${index}]`)) : undefined,
    };
  }

  selector(selector: LabelSelector, path: string): Selector | undefined {
    try {
      return selectorFrom(selector);
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      this.#invalid(path, error.message);
      return undefined;
    }
  }

  #invalid(path: string, why: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(`${path}: ${why}`);
  }

  #peers(peers: readonly NetworkPolicyPeer[], path: string): Peers {
    const selections: PodSelection[] = [];
    const blocks: Block[] = [];
    for (const [index, { podSelector, namespaceSelector, ipBlock }] of peers.entries()) {
      const at = `${path}.peers[${index}]`;
      if (ipBlock) blocks.push(...this.#block(ipBlock, `${at}.ipBlock`));
      else if (podSelector ?? namespaceSelector) {
        const namespaces = namespaceSelector
          ? this.selector(namespaceSelector, `${at}.namespaceSelector`)
          : this.#namespace;
        const pods = podSelector ? this.selector(podSelector, `${at}.podSelector`) : everything;
        if (namespaces !== undefined && pods) selections.push({ namespaces, pods });
      } else this.#invalid(at, 'has neither selector nor ipBlock');
    }
    return { selections, blocks };
  }

  #block({ cidr, except = [] }: IPBlock, path: string): readonly Block[] {
    const range = Cidr.parse(cidr);
    const excluded = except.flatMap((text) => Cidr.parse(text) ?? []);
    if (range && excluded.length === except.length) return [{ range, except: excluded }];
    this.#invalid(path, 'is not a range of addresses');
    return [];
  }

  #port({ protocol: given, port, endPort }: NetworkPolicyPort, path: string): readonly PortMatch[] {
    const protocol = protocolOf(given);
    const last = endPort ?? port;
    if (protocol && port === undefined && endPort === undefined) return [{ protocol, port }];
    if (protocol && typeof port === 'string' && endPort === undefined) return [{ protocol, port }];
    if (protocol && isPortNumber(port) && isPortNumber(last) && port <= last)
      return [{ protocol, port: { first: port, last } }];
    this.#invalid(path, 'is not a port');
    return [];
  }
}
