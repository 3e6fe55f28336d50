/** One backend per proxy mode: adding a mode is a folder with its backend, and a line here. */
import { IptablesBackend, type IptablesBackendOptions } from './iptables/iptables-backend.ts';
import type { ProxyBackend } from './proxy-backend.ts';

/** What this node gives a backend, in one IP family. */
export type ProxyHost = Pick<IptablesBackendOptions, 'clusterCidr' | 'netfilter'>;

export const proxyModes = {
  iptables: (host) => new IptablesBackend(host),
} satisfies Readonly<Record<string, (host: ProxyHost) => ProxyBackend>>;
