/** The controllers: each compares what is wanted with what there is, and acts through the API. */
import type { ApiClient } from '../../client/api-client.ts';
import { bootstrapSigner } from './accounts/bootstrap-signer.ts';
import { rootCaPublisher } from './accounts/root-ca-publisher.ts';
import { serviceAccountController } from './accounts/service-account.ts';
import { tokenCleaner } from './accounts/token-cleaner.ts';
import { tokenSecretCleaner } from './accounts/token-secret-cleaner.ts';
import { tokenSecretController } from './accounts/token-secret.ts';
import type { SignToken } from './accounts/token-secret-plan.ts';
import { resourceClaimController } from './devices/resource-claim.ts';
import { horizontalPodAutoscalerController } from './autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { certificateApprover } from './certificates/approver.ts';
import { certificateCleaner } from './certificates/cleaner.ts';
import { certificateSigner, type SignRequest } from './certificates/signer.ts';
import type { ControllerDescriptor } from './framework/controller.ts';
import { runDescriptors, type ParentLogger, type RunnerOptions } from './framework/runner.ts';
import { garbageCollector } from './garbage/garbage-collector.ts';
import { namespaceController } from './garbage/namespace.ts';
import { podGarbageCollector } from './garbage/pod-garbage.ts';
import type { IpFamily } from '../../api/domain/address.ts';
import { addressRanges } from '../../api/domain/address-range.ts';
import { AddressPools } from './network/load-balancer/address-pools.ts';
import { loadBalancerController } from './network/load-balancer/addresses.ts';
import { announcerController } from './network/load-balancer/announcers.ts';
import { endpointsController } from './network/endpoints.ts';
import { sliceMirrorController } from './network/slice-mirror.ts';
import { resourceQuotaController } from './quota/resource-quota.ts';
import { cloudNodeController } from './nodes/cloud-node.ts';
import { nodeIpamController, podRanges } from './nodes/node-ipam.ts';
import { nodeLifecycleController } from './nodes/node-lifecycle.ts';
import { taintEvictionController } from './nodes/taint-eviction.ts';
import { isSelected } from '../controller-selection.ts';
import { attachDetachController } from './storage/attach-detach/attach-detach.ts';
import { attributesClassProtectionController } from './storage/attributes-class-protection.ts';
import { claimProtectionController } from './storage/claim-protection.ts';
import { ephemeralVolumeController } from './storage/ephemeral-volume.ts';
import { nfsProvisioner } from './storage/nfs/nfs.ts';
import { localPathProvisioner } from './storage/local-path/local-path.ts';
import { volumeBinderController } from './storage/volume-binder/volume-binder.ts';
import { volumeExpander } from './storage/volume-expander.ts';
import { volumeProtectionController } from './storage/volume-protection.ts';
import { deploymentController } from './workloads/deployment/deployment.ts';
import { daemonSetController } from './workloads/daemon-set/daemon-set.ts';
import { cronJobController } from './workloads/cron-job/cron-job.ts';
import { disruptionController } from './workloads/disruption/disruption.ts';
import { jobController } from './workloads/job/job.ts';
import { ttlAfterFinishedController } from './workloads/job/ttl-after-finished.ts';
import { replicaSetController, replicationController } from './workloads/replica-set.ts';
import { statefulSetController } from './workloads/stateful-set/stateful-set.ts';

export interface ControllersOptions {
  /** As user `system:kube-controller-manager`, or another who may do everything that the controllers do. */
  readonly client: ApiClient;
  readonly logger: ParentLogger;
  readonly signal: AbortSignal;
  /** Called with what returns the metrics of the controllers. */
  readonly onMetrics?: (metrics: () => string) => void;
  /** The setting `controllers`. */
  readonly selection: readonly string[];
  /** The CA that pods trust the api-server by, PEM: goes into each namespace as `kube-root-ca.crt`. */
  readonly rootCa: string;
  readonly sign: SignRequest;
  /** Signs the tokens of Secrets of type kubernetes.io/service-account-token. */
  readonly signToken: SignToken;
  /** As `10.42.0.0/16`, or as `10.42.0.0/16,fd00:42::/56`. */
  readonly clusterCidr: string;
  /** Prefix length of a node's part of it, by family. */
  readonly nodeMaskSizes: Readonly<Record<IpFamily, number>>;
  /** Ranges of addresses for load balancers; none for those of the nodes. */
  readonly loadBalancerPools: readonly string[];
  /** Ports that no load balancer may have on the addresses of the nodes. */
  readonly isReservedPort: (port: number) => boolean;
  /** The file of the inventory of hosts; '' for none. */
  readonly inventory: string;
  /** Without a sign of life for so long, a node counts as lost. */
  readonly nodeMonitorGraceSeconds: number;
}

/** Runs the selected controllers until the signal is aborted; then resolves, once all have stopped. Rejects when one fails. */
export async function runControllers(options: ControllersOptions): Promise<void> {
  const { client, logger, signal, onMetrics } = options;
  await runDescriptors(selectedControllers(options), { client, logger, signal, onMetrics });
}

/**
 * Without the controller that gives load balancers their addresses, the other one has no pools, and so nodes give up what they announced:
 * another implementation may have the addresses by now.
 */
export function selectedControllers(options: Omit<ControllersOptions, keyof RunnerOptions>): ControllerDescriptor[] {
  const { selection } = options;
  const loadBalancerPools = isSelected('service-lb-controller', selection) ? options.loadBalancerPools : [];
  return allControllers({ ...options, loadBalancerPools }).filter(({ name }) => isSelected(name, selection));
}

/** Their names are in `controller-selection.ts`. */
export function allControllers(
  options: Omit<ControllersOptions, keyof RunnerOptions | 'selection'>,
): readonly ControllerDescriptor[] {
  const { rootCa, signToken, sign, clusterCidr, nodeMaskSizes, nodeMonitorGraceSeconds } = options;
  const pools = new AddressPools(addressRanges(options.loadBalancerPools));
  return [
    deploymentController,
    replicaSetController,
    replicationController,
    statefulSetController,
    daemonSetController,
    jobController,
    cronJobController,
    ttlAfterFinishedController,
    disruptionController,
    horizontalPodAutoscalerController(),
    endpointsController,
    sliceMirrorController,
    loadBalancerController({ pools, isReserved: options.isReservedPort }),
    announcerController(pools),
    namespaceController,
    garbageCollector,
    podGarbageCollector,
    serviceAccountController,
    rootCaPublisher(rootCa),
    tokenSecretController({ rootCa, signToken }),
    tokenSecretCleaner(),
    tokenCleaner,
    bootstrapSigner,
    resourceQuotaController,
    nodeLifecycleController(nodeMonitorGraceSeconds * 1000),
    taintEvictionController,
    nodeIpamController(podRanges(clusterCidr, nodeMaskSizes)),
    cloudNodeController(options.inventory),
    certificateApprover,
    certificateSigner(sign),
    certificateCleaner,
    volumeBinderController,
    attachDetachController,
    volumeExpander,
    localPathProvisioner,
    nfsProvisioner,
    ephemeralVolumeController,
    resourceClaimController,
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
  ];
}
