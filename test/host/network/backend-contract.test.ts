/** The contract of backends in a real kernel, for each proxy mode and IP family. */
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { TABLES, type Rule, type Table } from '../../../agent/network/netfilter/rules.ts';
import { proxyModes } from '../../../agent/network/services/backends/proxy-modes.ts';
import { connectionsOf, testBackend } from '../../support/proxy-backend-contract.ts';
import { CLUSTER_CIDR, IPV6_CLUSTER_CIDR } from '../../support/service-entries.ts';
import { enterNamespace } from './pod-namespaces.ts';

enterNamespace();

/** The real programs, which can be missing, and one target that they cannot read. */
class FaultyIptables extends Iptables {
  isMissing = false;
  unreadable: string | undefined;

  override async restore(input: string): Promise<void> {
    await this.#find();
    const target = `--to-destination ${this.unreadable}\n`;
    await super.restore(this.unreadable ? input.replaceAll(target, '--to-destination nowhere\n') : input);
  }

  override async save(table: Table): Promise<string> {
    await this.#find();
    return super.save(table);
  }

  override async has(rule: Rule): Promise<boolean> {
    await this.#find();
    return super.has(rule);
  }

  async #find(): Promise<void> {
    if (this.isMissing) await run('kedge-no-such-program', []);
  }
}

for (const [mode, backendOf] of Object.entries(proxyModes)) {
  for (const clusterCidr of [CLUSTER_CIDR, IPV6_CLUSTER_CIDR]) {
    testBackend(t, `${mode}, ${clusterCidr.family}`, () => {
      const { family } = clusterCidr;
      const iptables = new FaultyIptables(family, new AbortController().signal);
      return {
        family,
        start: () => backendOf({ clusterCidr, netfilter: new Netfilter(iptables) }),
        connections: async () => connectionsOf(await iptables.save('nat')),
        flush: async () => {
          const program = family === 'IPv4' ? 'iptables' : 'ip6tables';
          for (const table of TABLES) for (const verb of ['-F', '-X']) await run(program, ['-t', table, verb]);
        },
        reject: (text) => void (iptables.unreadable = text),
        breakDown: (isBroken) => void (iptables.isMissing = isBroken),
      };
    });
  }
}
