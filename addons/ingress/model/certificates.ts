/** Which certificate is shown for which host. Pure. */
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import type { ClusterView } from './cluster-view.ts';
import type { CertificateModel } from './model.ts';
import type { Problems } from './problems.ts';
import type { ServedIngress } from './served-ingress.ts';
import { caOf, certificateOf, ContentError } from './secrets.ts';

interface Entry {
  readonly pem: string;
  readonly from: string;
}

export class CertificateCollector {
  readonly #view: ClusterView;
  readonly #problems: Problems;
  readonly #byHost = new Map<string, Entry>();
  /** PEM of the CAs of clients, by host, with the Ingress that named it. */
  readonly #clientCas = new Map<string, Entry>();

  constructor(view: ClusterView, problems: Problems) {
    this.#view = view;
    this.#problems = problems;
  }

  /** Whether the Ingress has TLS for one of its hosts. */
  covers({ object }: ServedIngress, host: string): boolean {
    const parent = `*.${host.slice(host.indexOf('.') + 1)}`;
    return (object.spec?.tls ?? []).some(
      ({ hosts = [] }) => hosts.length === 0 || hosts.includes(host) || hosts.includes(parent),
    );
  }

  /**
   * Adds the CA that clients of the Ingress show certificates of. Returns its PEM; undefined, and a problem, when it cannot be read.
   * @param isTaken whether a host is another's
   */
  addClientCa(ingress: ServedIngress, isTaken: (host: string) => boolean): string | undefined {
    const name = ingress.policy.clientCa ?? '';
    const secret = this.#problems.secret(this.#view, ingress, name);
    const pem = secret && this.#attempt(ingress, name, () => caOf(secret));
    if (pem === undefined) return undefined;
    for (const host of hostsOf(ingress)) {
      if (isTaken(host)) continue;
      const other = this.#clientCas.get(host);
      if (!other) this.#clientCas.set(host, { pem, from: ingress.key });
      else if (other.pem !== pem) {
        this.#problems.add(
          ingress,
          'PathConflict',
          `${host} has the client CA of Ingress ${other.from}, which is older`,
        );
        return undefined;
      }
    }
    return pem;
  }

  /**
   * Adds what the Ingress has under `tls`; of two for one host, the one that was added first counts.
   * @param isTaken whether a host is another's
   */
  add(ingress: ServedIngress, isTaken: (host: string) => boolean): void {
    for (const { hosts = [], secretName = '' } of ingress.object.spec?.tls ?? []) {
      if (secretName === '') continue;
      const secret = this.#problems.secret(this.#view, ingress, secretName);
      const pem = secret && this.#attempt(ingress, secretName, () => certificateOf(secret));
      if (pem === undefined) continue;
      for (const host of hosts.length > 0 ? hosts : hostsOf(ingress)) {
        if (validateSubdomainName(host.replace(/^\*\./, '')).length > 0 || isTaken(host)) continue;
        const other = this.#byHost.get(host);
        if (!other) this.#byHost.set(host, { pem, from: ingress.key });
        else if (other.pem !== pem && other.from !== ingress.key)
          this.#problems.add(
            ingress,
            'PathConflict',
            `${host} is shown the certificate of Ingress ${other.from}, which is older`,
          );
      }
    }
  }

  #attempt(ingress: ServedIngress, name: string, run: () => string): string | undefined {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      const message = `Secret ${ingress.namespace}/${name} ${error.message}`;
      this.#problems.add(ingress, 'InvalidCertificate', message);
      return undefined;
    }
  }

  /** One for each certificate and CA, with all of its hosts. A host with a CA and without certificate has the default one. */
  all(): readonly CertificateModel[] {
    const found = new Map<string, { pem: string; hosts: string[]; clientCa: string | undefined }>();
    for (const host of new Set([...this.#byHost.keys(), ...this.#clientCas.keys()])) {
      const pem = this.#byHost.get(host)?.pem ?? '';
      const clientCa = this.#clientCas.get(host)?.pem;
      const key = `${pem}\n${clientCa}`;
      const entry = found.get(key) ?? { pem, hosts: [], clientCa };
      entry.hosts.push(host);
      found.set(key, entry);
    }
    return [...found.values()];
  }
}

const hostsOf = ({ object }: ServedIngress): string[] =>
  (object.spec?.rules ?? []).flatMap(({ host }) => (host ? [host] : []));
