/** Composition of the node API: its certificate, its documents, and its life. */
import type { ApiClient } from '../../client/api-client.ts';
import { subjectAccessReviews, tokenReviews } from '../../client/resources.gen.ts';
import type { Logger } from '../../client/logger.ts';
import type { AgentConfig } from '../config.ts';
import type { CriClient } from '../cri/client.ts';
import type { ClusterCas } from '../join/cluster-cas.ts';
import {
  obtainServingCertificate,
  pendingApproval,
  renew,
  servingCertificate,
  type ServingCertificateProblem,
} from '../join/join.ts';
import type { Membership } from '../join/join-cluster.ts';
import type { CertifiedKey } from '../join/node-certificates.ts';
import { keepRenewed, type RenewalMetrics } from '../join/rotation.ts';
import type { NodeApiState } from '../node/node-api-state.ts';
import { CriNodeRuntime } from './cri-node-runtime.ts';
import type { DocumentSources } from './documents.ts';
import { NodeServer, type ServingCertificate } from './node-server.ts';
import type { TokenReview } from '../../api/types/authentication/v1.gen.ts';
import type { SubjectAccessReview } from '../../api/types/authorization/v1.gen.ts';

export interface NodeApiOptions extends Omit<DocumentSources, 'configuration'> {
  readonly config: AgentConfig;
  readonly membership: Membership;
  /** Of whom clients have certificates. */
  readonly cas: ClusterCas;
  readonly client: ApiClient;
  readonly cri: CriClient;
  /** Reports whether the API is served. */
  readonly state: NodeApiState;
  readonly metrics: RenewalMetrics;
  readonly logger: Logger;
}

/** Serves until the signal is aborted, as soon as there is a certificate to serve with. */
export async function serveNodeApi(options: NodeApiOptions, signal: AbortSignal): Promise<void> {
  const { config, membership, client, cri, state, pods, statistics, metrics, logger } = options;
  const { name, addresses, certificates } = membership;
  const setProblem = (problem: ServingCertificateProblem): void => state.setProblem(problem);
  const serving = await obtainServingCertificate(client, certificates, name, addresses, logger, signal, setProblem);
  const certificate = (pair: CertifiedKey): ServingCertificate => ({
    ...{ cert: pair.certificate, key: pair.key, ca: options.cas.bundle },
  });
  const server = new NodeServer({
    nodeName: name,
    address: config.bindAddress,
    port: config.port,
    certificate: certificate(serving),
    reviews: {
      reviewToken: (review) => client.create<TokenReview>(tokenReviews, review, { signal }),
      reviewAccess: (review) => client.create<SubjectAccessReview>(subjectAccessReviews, review, { signal }),
    },
    runtime: new CriNodeRuntime({ cri, logger }),
    ...{ pods, statistics, logger },
    unhealthy: () => options.unhealthy(),
    configuration: () => ({ ...config, token: '' }),
    logDirectory: config.systemLogDir,
  });
  await server.listen();
  state.served(serving.validToMs);
  metrics.certified('serving', serving.validToMs);
  const wanted = servingCertificate(name, addresses);
  const pending = (request: string): void => setProblem(pendingApproval(request));
  try {
    await keepRenewed(
      'serving',
      serving,
      (asking) => metrics.renewing('serving', renew(client, 'serving', certificates, wanted, logger, asking, pending)),
      (renewed) => {
        server.replaceCertificate(certificate(renewed));
        state.served(renewed.validToMs);
      },
      options.cas,
      logger,
      signal,
    );
  } finally {
    await server.close();
  }
}
