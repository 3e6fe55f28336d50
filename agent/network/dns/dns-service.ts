/** What the zone is told of Services. */

/** A port that has SRV records. */
export interface DnsPort {
  readonly name: string;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol: string;
  readonly port: number;
}

export interface DnsEndpoint {
  readonly address: string;
  /** Of a pod that has one; others are named by their address. */
  readonly hostname: string | undefined;
  /** The same array for endpoints with the same ports, where there are many. */
  readonly ports: readonly DnsPort[];
}

/** What the zone has of a Service. */
export interface DnsService {
  readonly namespace: string;
  readonly name: string;
  /** Its cluster IPs; none of a headless Service or one that is a name. */
  readonly addresses: readonly string[];
  readonly ports: readonly DnsPort[];
  /** Of a headless Service: those that are ready. */
  readonly endpoints?: readonly DnsEndpoint[];
  /** The name that it stands for (ExternalName). */
  readonly externalName?: string;
}
