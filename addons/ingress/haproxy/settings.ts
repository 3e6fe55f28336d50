/** What the controller's own settings say about the proxy. */
export interface ProxySettings {
  /** Addresses to listen on, as `bind` has them: `0.0.0.0`, `::`. */
  readonly bindAddresses: readonly string[];
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly maxConnections: number;
  /** How long connections of a configuration that was replaced may last. */
  readonly drainSeconds: number;
  readonly accessLog: boolean;
  /** PEM: shown for hosts without a certificate. */
  readonly defaultCertificate: string;
}
