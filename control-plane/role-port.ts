/**
 * The port of a role, as kube-scheduler and kube-controller-manager have one each: `/healthz`, `/livez` and `/readyz` for anybody,
 * `/metrics` for whom RBAC lets read that path, by client certificate or token.
 */
import type { IncomingMessage } from 'node:http';
import { StatusError } from '../api/machinery/status-error.ts';
import type { TokenReview } from '../api/types/authentication/v1.gen.ts';
import type { SubjectAccessReview } from '../api/types/authorization/v1.gen.ts';
import { ApiClient } from '../client/api-client.ts';
import { ConnectionError } from '../client/connection-error.ts';
import type { Logger } from '../client/logger.ts';
import { subjectAccessReviews, tokenReviews } from '../client/resources.gen.ts';
import type { Credentials } from '../client/transport.ts';
import { CallerAuthentication, type Caller } from '../daemon/access/caller.ts';
import { ReviewedAccess } from '../daemon/access/reviewed-access.ts';
import { HttpPort, type HttpAnswer, type PortCertificate } from '../daemon/http-port.ts';
import { EXPOSITION_TYPE } from '../daemon/metrics/exposition.ts';
import { HealthMetrics } from '../daemon/metrics/health-metrics.ts';
import type { RoleMetrics, ThreadRole } from './role-metrics.ts';

export interface RolePortOptions {
  readonly role: ThreadRole;
  readonly address: string;
  readonly port: number;
  readonly certificate: PortCertificate;
  /** The api-server that callers are reviewed by, and as whom. */
  readonly server: string;
  readonly credentials: Credentials;
  readonly metrics: Pick<RoleMetrics, 'allOf' | 'answers'>;
  readonly logger: Logger;
}

const HEALTH_PATHS: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz']);
const METRICS_PATH = '/metrics';
const SLIS_PATH = '/metrics/slis';
/** Short, for those who wait with a scraper's patience. */
const REVIEW_LIMIT_MS = 5_000;
const ANONYMOUS: Caller = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

export class RolePort implements AsyncDisposable {
  readonly #options: RolePortOptions;
  readonly #client: ApiClient;
  readonly #authentication: CallerAuthentication;
  readonly #access: ReviewedAccess;
  readonly #port: HttpPort;
  readonly #health = new HealthMetrics();

  constructor(options: RolePortOptions) {
    const { server, credentials, address, port, certificate, role, logger } = options;
    this.#options = options;
    const client = new ApiClient({ server, ...credentials, maxConnections: 1 });
    this.#client = client;
    const limit = { timeoutMs: REVIEW_LIMIT_MS };
    this.#authentication = new CallerAuthentication({
      reviewToken: (review) => client.create<TokenReview>(tokenReviews, review, limit),
    });
    this.#access = new ReviewedAccess({
      reviewAccess: (review) => client.create<SubjectAccessReview>(subjectAccessReviews, review, limit),
    });
    this.#port = new HttpPort({
      ...{ address, port, certificate, logger },
      fields: { serves: `health and metrics of the ${role}` },
      answer: (path, request) => this.#answer(path, request),
    });
  }

  /** New connections get the new certificate, and new reviews are asked for with the new credentials. */
  async renew(certificate: PortCertificate, credentials: Credentials): Promise<void> {
    this.#port.replaceCertificate(certificate);
    await this.#client.replaceCredentials(credentials);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#port[Symbol.dispose]();
    await this.#client[Symbol.asyncDispose]();
  }

  async #answer(path: string, request: IncomingMessage): Promise<HttpAnswer | undefined> {
    const { role, metrics } = this.#options;
    if (HEALTH_PATHS.has(path))
      return (await metrics.answers(role)) ? plain(200, 'ok') : plain(500, `the ${role} does not answer\n`);
    if (path !== METRICS_PATH && path !== SLIS_PATH) return undefined;
    const refusal = await this.#refusal(request, path);
    if (refusal) return refusal;
    if (path === SLIS_PATH) {
      this.#health.checked('healthz', 'ping', await metrics.answers(role));
      return { status: 200, type: EXPOSITION_TYPE, body: this.#health.text() };
    }
    const body = await metrics.allOf(role);
    return body === undefined
      ? plain(503, `the ${role} does not answer\n`)
      : { status: 200, type: EXPOSITION_TYPE, body };
  }

  /** Undefined for a caller who may read metrics. */
  async #refusal(request: IncomingMessage, path: string): Promise<HttpAnswer | undefined> {
    try {
      const isAnonymous = !request.headers.authorization;
      const caller = (await this.#authentication.authenticate(request)) ?? (isAnonymous ? ANONYMOUS : undefined);
      if (!caller) return plain(401, 'Unauthorized\n');
      const isAllowed = await this.#access.allows(caller, {
        nonResourceAttributes: { path, verb: 'get' },
      });
      return isAllowed ? undefined : plain(403, `${caller.name} may not get the path ${path}\n`);
    } catch (error) {
      if (!(error instanceof StatusError || error instanceof ConnectionError)) throw error;
      this.#options.logger.warn({ err: error, role: this.#options.role }, 'failed to review a caller');
      return plain(503, 'the api-server does not review callers at present\n');
    }
  }
}

const plain = (status: number, body: string): HttpAnswer => ({ status, type: 'text/plain; charset=utf-8', body });
