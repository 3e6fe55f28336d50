/** The controllers: each compares what is wanted with what there is, and acts through the API. One file (or folder) a controller. */
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { ApiClient } from '../../client/api-client.ts';
import type { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { runBootstrapTokenCleaner } from './bootstrap-token.ts';
import { runCertificateController, type SignRequest } from './certificates/certificates.ts';
import type { ControllerContext } from './context.ts';
import { runDeploymentController } from './deployment/deployment.ts';
import { runEndpointsController } from './endpoints/endpoints.ts';
import { runSliceMirrorController } from './endpoints/slice-mirror.ts';
import { runGarbageCollector, type Source } from './garbage/garbage-collector.ts';
import { createInformers, type SharedInformers } from './informers.ts';
import { Interner } from './intern.ts';
import { runNamespaceController } from './namespace.ts';
import { runNodeLifecycleController } from './node/node-lifecycle.ts';
import { runPodCidrController } from './node/pod-cidr.ts';
import { runTaintEvictionController } from './node/taint-eviction.ts';
import { ownedView } from './owned.ts';
import { runPodGarbageCollector } from './pod-garbage.ts';
import { runReplicaSetController } from './replica-set.ts';
import { runResourceQuotaController } from './resource-quota.ts';
import { runServiceAccountController } from './service-account.ts';
import type { SignToken } from './token-secret-plan.ts';
import { runTokenSecretController } from './token-secret.ts';
import {
  certificateSigningRequests,
  deployments,
  endpointSlices,
  endpoints,
  leases,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
} from '../../client/resources.gen.ts';

export interface ControllersOptions {
  /** As user `system:kube-controller-manager`, or another who may do everything that the controllers do. */
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The CA that pods trust the api-server by, PEM: goes into each namespace as `kube-root-ca.crt`. */
  readonly rootCa: string;
  readonly sign: SignRequest;
  /** Signs the tokens of Secrets of type kubernetes.io/service-account-token. */
  readonly signToken: SignToken;
  /** IPv4, as `10.42.0.0/16`. */
  readonly clusterCidr: string;
  /** Prefix length of a node's part of it. */
  readonly nodeCidrMaskSize: number;
  /** Without a sign of life for so long, a node counts as lost. */
  readonly nodeMonitorGraceSeconds: number;
}

/** Runs every controller until the signal is aborted; then resolves, once all have stopped. Rejects when one fails. */
export async function runControllers(options: ControllersOptions): Promise<void> {
  const { client, logger } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const informers = createInformers(client, logger);
  const context: ControllerContext = { client, informers, logger, signal };
  const { clusterCidr, nodeCidrMaskSize: nodeMaskSize, nodeMonitorGraceSeconds } = options;
  const running = [
    runDeploymentController(context),
    runReplicaSetController(context),
    runEndpointsController(context),
    runSliceMirrorController(context),
    runNamespaceController(context),
    runGarbageCollector(context, garbageSources(informers)),
    runServiceAccountController(context, options.rootCa),
    runTokenSecretController(context, { rootCa: options.rootCa, signToken: options.signToken }),
    runNodeLifecycleController(context, nodeMonitorGraceSeconds * 1000),
    runTaintEvictionController(context),
    runPodCidrController(context, { clusterCidr, nodeMaskSize }),
    runCertificateController(context, options.sign),
    runBootstrapTokenCleaner(context),
    runPodGarbageCollector(context),
    runResourceQuotaController(context),
    ...Object.values(informers).map((informer: { run(signal: AbortSignal): Promise<void> }) => informer.run(signal)),
  ].map(async (part) => {
    try {
      await part;
    } catch (error) {
      // A controller that is stopped before its informers are in gets the reason of the stop.
      if (signal.aborted) return;
      stop.abort(error);
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(running);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** The kinds that other controllers follow already: the garbage collector need not watch them a second time. */
function garbageSources(informers: SharedInformers): Source[] {
  const interner = new Interner();
  const whole = <T extends KubeObject>(informer: Informer<T>): Source['informer'] => ({
    hasSynced: () => informer.hasSynced(),
    addHandlers: (handlers) =>
      informer.addHandlers({
        onAdd: (object, key) => handlers.onAdd?.(ownedView(object, interner), key),
        onUpdate: (old, object, key) => handlers.onUpdate?.(ownedView(old, interner), ownedView(object, interner), key),
        onDelete: (object, key) => handlers.onDelete?.(ownedView(object, interner), key),
      }),
  });
  return [
    { resource: pods, informer: informers.pods },
    { resource: nodes, informer: informers.nodes },
    { resource: leases, informer: informers.leases },
    { resource: serviceAccounts, informer: informers.serviceAccounts },
    { resource: namespaces, informer: whole(informers.namespaces) },
    { resource: services, informer: whole(informers.services) },
    { resource: endpoints, informer: whole(informers.endpoints) },
    { resource: endpointSlices, informer: whole(informers.endpointSlices) },
    { resource: deployments, informer: whole(informers.deployments) },
    { resource: replicaSets, informer: whole(informers.replicaSets) },
    { resource: certificateSigningRequests, informer: whole(informers.certificateSigningRequests) },
  ];
}
