/**
 * The attach/detach controller: asks for the volumes of CSI drivers to be attached to the nodes whose pods need them, and to be
 * detached once the node has let go of them. Drivers' own controllers do it. Upstream: pkg/controller/volume/attachdetach.
 */
import { attachedName, attachmentName } from '../../../../api/domain/csi-attachment.ts';
import { isAlreadyExists } from '../../../../api/machinery/status-error.ts';
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import type { Node } from '../../../../api/types/core/v1.gen.ts';
import type { CSIDriver, VolumeAttachment } from '../../../../api/types/storage/v1.gen.ts';
import { nodes as nodeResource, volumeAttachments } from '../../../../client/resources.gen.ts';
import { objectKey } from '../../../../client/informer.ts';
import {
  claimCache,
  csiDriverCache,
  nodeCache,
  podCache,
  volumeAttachmentCache,
  volumeCache,
} from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import { isTerminated, type PodView } from '../../caches/pod-view.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { allOrFirstFailure, unlessGone } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { attachmentOf, isShared, planNode, type Attachment, type NodePlan, type WantedVolume } from './plan.ts';

export const attachDetachController: ControllerDescriptor = {
  name: 'persistentvolume-attach-detach-controller',
  workers: 10,
  create,
};

interface PodVolume extends WantedVolume {
  readonly pod: PodView;
}

function create({ client, informer, recorder, queue, logger }: ControllerContext): Controller {
  const pods = informer(podCache);
  const nodes = informer(nodeCache);
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const drivers = informer(csiDriverCache);
  const attachments = informer(volumeAttachmentCache);
  const events = recorder('attachdetach-controller');
  /** Since when attachments have been of no use, by their name. */
  const unwanted = new Map<string, number>();
  /** The volumes that are being attached, and to which node, until the cache shows it: several nodes are worked on at once. */
  const attaching = new Map<string, { readonly volume: string; readonly node: string }>();

  /** The uids of pods that have been told that another node has their volume. */
  const told = new Set<string>();

  /** What a pod needs to have attached to its node. */
  function podVolumes(pod: PodView): PodVolume[] {
    return pod.claims.flatMap(({ name }) => {
      const claim = claims.get(pod.namespace, name)?.claim;
      const volume = claim?.spec?.volumeName ? volumes.getByKey(claim.spec.volumeName)?.volume : undefined;
      const csi = volume?.spec?.csi;
      if (!csi || claim?.status?.phase !== 'Bound' || volume?.spec?.claimRef?.uid !== claim.metadata?.uid) return [];
      // A driver without an object is attached, as upstream has it.
      if (drivers.getByKey(csi.driver)?.spec.attachRequired === false) return [];
      const names = { volume: volume?.metadata?.name ?? '', driver: csi.driver, handle: csi.volumeHandle };
      return [{ ...names, isShared: volume !== undefined && isShared(volume), pod }];
    });
  }

  const wantedOn = (node: string): PodVolume[] =>
    pods.byIndex('node', node).flatMap((pod) => (isTerminated(pod) || pod.claims.length === 0 ? [] : podVolumes(pod)));

  const attachmentsOn = (node: string): Attachment[] =>
    attachments.byIndex('node', node).flatMap((object) => {
      const volume = volumes.getByKey(object.spec.source.persistentVolumeName ?? '')?.volume;
      return attachmentOf(object, volume) ?? [];
    });

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const view = nodes.getByKey(name);
    // Such a node attaches its volumes itself.
    if (view && !view.isAttachedTo) return undefined;
    const there = attachmentsOn(name);
    const needed = view ? wantedOn(name) : [];
    if (there.length === 0 && needed.length === 0 && !view?.volumesAttached.length) return undefined;
    const plan = planFor(name, view, needed, there);
    // All are noted before the first is waited for.
    await allOrFirstFailure(plan.attach.map((volume) => attach(volume, name, signal)));
    refuse(plan, needed, name);
    const used = await reportAttached(view, plan, signal);
    await detach(plan, used, signal);
    return plan.againInMs;
  }

  function planFor(
    name: string,
    view: NodeView | undefined,
    needed: readonly PodVolume[],
    there: readonly Attachment[],
  ): NodePlan {
    const now = performance.now();
    const wanted = [...new Map(needed.map((volume) => [attachmentName(volume, name), volume])).values()];
    const names = new Set(wanted.map((volume) => attachmentName(volume, name)));
    for (const attachment of there) {
      if (names.has(attachment.name)) unwanted.delete(attachment.name);
      else if (!unwanted.has(attachment.name)) unwanted.set(attachment.name, now);
    }
    const node = view && {
      isReady: view.conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
      taints: view.taints,
      volumesInUse: view.volumesInUse,
    };
    return planNode({
      ...{ name, node, wanted, attachments: there, now },
      nodesOf: (volume) => [
        ...attachments.byIndex('volume', volume).map(({ spec }) => spec.nodeName),
        ...[...attaching.values()].flatMap((one) => (one.volume === volume ? [one.node] : [])),
      ],
      unwantedSince: (attachment) => unwanted.get(attachment) ?? now,
    });
  }

  async function attach({ driver, handle, volume }: WantedVolume, nodeName: string, signal: AbortSignal) {
    const name = attachmentName({ driver, handle }, nodeName);
    attaching.set(name, { volume, node: nodeName });
    const object: VolumeAttachment = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name },
      spec: { attacher: driver, nodeName, source: { persistentVolumeName: volume } },
    };
    try {
      await client.create(volumeAttachments, object, { signal });
    } catch (error) {
      attaching.delete(name);
      // The cache does not show it yet, or another one of that name is about to go: its event brings the node back.
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Each pod is told once; the event of the attachment that is in the way brings the node back. */
  function refuse({ refused }: NodePlan, needed: readonly PodVolume[], node: string): void {
    for (const { volume } of refused)
      for (const { pod } of needed.filter((one) => one.volume === volume)) {
        if (told.has(pod.uid)) continue;
        told.add(pod.uid);
        record(pod, 'Warning', 'FailedAttachVolume', multiAttachError(volume, usersElsewhere(volume, pod, node)));
      }
  }

  const usersElsewhere = (volume: string, { namespace }: PodView, node: string): string[] =>
    claims
      .byIndex('volume', volume)
      .flatMap((claim) => pods.byIndex('claim', objectKey(claim.namespace, claim.name)))
      .filter((pod) => pod.namespace === namespace && pod.nodeName !== '' && pod.nodeName !== node)
      .map((pod) => pod.name);

  /** Resolves to what the node uses, as it says while it knows what is about to be detached; undefined when the Node is gone. */
  async function reportAttached(view: NodeView | undefined, plan: NodePlan, signal: AbortSignal) {
    if (!view) return undefined;
    const isKnown = deepEqual([...view.volumesAttached].sort(), [...plan.attached]);
    if (isKnown && plan.detach.length === 0) return view.volumesInUse;
    const volumesAttached = plan.attached.map((name) => ({ name, devicePath: '' }));
    const patch = { metadata: { uid: view.uid }, status: { volumesAttached } };
    const patched = await unlessGone(
      client.patch<Node>(nodeResource, '', view.name, patch, { type: 'merge', subresource: 'status', signal }),
    );
    return patched?.status?.volumesInUse ?? [];
  }

  async function detach(plan: NodePlan, used: readonly string[] | undefined, signal: AbortSignal): Promise<void> {
    for (const { attachment, isForced } of plan.detach) {
      const { name, uid, volume } = attachment;
      // A pod has come meanwhile; the event of the node brings it back.
      if (!isForced && used?.includes(attachedName(attachment))) continue;
      if (isForced)
        logger.warn({ volume, attachment: name }, 'detaching volume from lost node, which may still use it');
      await unlessGone(client.delete(volumeAttachments, '', name, { uid, signal }));
    }
  }

  function record(pod: PodView, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const regarding = { kind: 'Pod', apiVersion: 'v1', namespace: pod.namespace, name: pod.name, uid: pod.uid };
    events.event(regarding, type, reason, message);
  }

  /** What drivers' controllers say of an attachment, for the pods that wait for it. */
  function announce(old: VolumeAttachment | undefined, object: VolumeAttachment): void {
    const { status, spec } = object;
    const volume = spec.source.persistentVolumeName ?? '';
    const why = status?.attachError?.message;
    const isNew = status?.attached && !old?.status?.attached;
    const hasFailed = why !== undefined && why !== old?.status?.attachError?.message;
    if (!old || (!isNew && !hasFailed)) return;
    for (const { pod } of wantedOn(spec.nodeName).filter((one) => one.volume === volume)) {
      if (isNew)
        record(pod, 'Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume "${volume}" `);
      else record(pod, 'Warning', 'FailedAttachVolume', `AttachVolume.Attach failed for volume "${volume}" : ${why}`);
    }
  }

  const wakePod = ({ nodeName, claims: used }: PodView): void => {
    if (nodeName && used.length > 0) queue.add(nodeName);
  };
  const wakeClaim = ({ namespace, name }: Pick<ClaimView, 'namespace' | 'name'>): void => {
    for (const pod of pods.byIndex('claim', objectKey(namespace, name))) wakePod(pod);
  };
  const wakeVolume = ({ volume: { spec } }: VolumeView): void => {
    if (spec?.csi) wakeClaim({ namespace: spec.claimRef?.namespace ?? '', name: spec.claimRef?.name ?? '' });
  };
  /** Also the nodes whose pods have waited for it. */
  const wakeUsers = ({ spec }: VolumeAttachment): void => {
    queue.add(spec.nodeName);
    for (const claim of claims.byIndex('volume', spec.source.persistentVolumeName ?? '')) wakeClaim(claim);
  };
  const wakeNode = ({ name }: NodeView): void => {
    if (attachments.byIndex('node', name).length > 0 || pods.byIndex('node', name).some((pod) => pod.claims.length > 0))
      queue.add(name);
  };
  const wakeUsersOf = (driver: CSIDriver): void => {
    for (const view of volumes.values()) if (view.volume.spec?.csi?.driver === driver.metadata?.name) wakeVolume(view);
  };
  return {
    watches: () => [
      watch(pods, {
        onAdd: wakePod,
        onUpdate: (old, pod) => {
          if (old.nodeName !== pod.nodeName || isTerminated(old) !== isTerminated(pod)) wakePod(pod);
        },
        onDelete: (pod) => {
          told.delete(pod.uid);
          wakePod(pod);
        },
      }),
      watch(claims, { onAdd: wakeClaim, onUpdate: (_, claim) => wakeClaim(claim) }),
      watch(volumes, { onAdd: wakeVolume, onUpdate: (_, volume) => wakeVolume(volume) }),
      watch(drivers, { onAdd: wakeUsersOf, onUpdate: (_, driver) => wakeUsersOf(driver), onDelete: wakeUsersOf }),
      watch(attachments, {
        onAdd: (object, key) => {
          attaching.delete(key);
          wakeUsers(object);
        },
        onUpdate: (old, object) => {
          announce(old, object);
          wakeUsers(object);
        },
        onDelete: (object) => {
          unwanted.delete(object.metadata?.name ?? '');
          wakeUsers(object);
        },
      }),
      watch(nodes, {
        onAdd: wakeNode,
        onUpdate: (old, node) => {
          if (concernsVolumes(old, node)) wakeNode(node);
        },
        onDelete: wakeNode,
      }),
    ],
    reconcile,
  };
}

const isReady = ({ conditions }: NodeView): boolean =>
  conditions.some(({ type, status }) => type === 'Ready' && status === 'True');

const concernsVolumes = (old: NodeView, node: NodeView): boolean =>
  old.uid !== node.uid ||
  old.isAttachedTo !== node.isAttachedTo ||
  isReady(old) !== isReady(node) ||
  !deepEqual(old.taints, node.taints) ||
  !deepEqual(old.volumesInUse, node.volumesInUse) ||
  !deepEqual(old.volumesAttached, node.volumesAttached);

/** With upstream's words. */
const multiAttachError = (volume: string, podNames: readonly string[]): string =>
  podNames.length > 0
    ? `Multi-Attach error for volume "${volume}" Volume is already used by pod(s) ${podNames.join(', ')}`
    : `Multi-Attach error for volume "${volume}" Volume is already exclusively attached to one node and can't be attached to another`;
