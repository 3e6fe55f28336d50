/** Starts one container: image, environment, mounts, creation, start, postStart. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DEFAULT_TERMINATION_MESSAGE_PATH } from '../../../api/kinds/core/container-defaults.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { VolumeError } from '../../volumes/framework/volume-type.ts';
import type { DevicesOfContainer } from '../../devices/pod-devices.ts';
import { imageVolumesOf } from '../../images/volume-images.ts';
import type { Image } from '../../cri/types.ts';
import type { ContainerDevice, ContainerMount, VolumeImage } from '../../volumes/pod-volumes.ts';
import type { ActionOf, AnyContainer } from '../sync/actions.ts';
import { containerConfig } from './container-config.ts';
import { LOG_DIRECTORY_MODE, containerLogPath, podLogDirectory } from '../logs/log-paths.ts';
import { containerEnvironment, environmentText, variablesWithoutText } from './environment.ts';
import { hostsFile } from '../sandbox/hosts-file.ts';
import { runHook } from './lifecycle-hooks.ts';
import { newestContainer, type PodRuntime } from '../sync/observed.ts';
import { graceOf } from '../sync/plan.ts';
import { terminationMessageFile } from '../sync/pod-observer.ts';
import type { PodDependencies } from '../sync/pod-dependencies.ts';
import { sandboxConfig } from '../sandbox/sandbox-config.ts';
import { configError, StartError } from './start-error.ts';
import { podFields } from '../log-fields.ts';
import type { Pod, Secret } from '../../../api/types/core/v1.gen.ts';

const HOSTS_FILE_MODE = 0o644;
/** Any user of the container may write the termination message. */
const TERMINATION_FILE_MODE = 0o666;
/** The kubelet waits forever; after this long it is better to create the container anew. */
const POST_START_LIMIT_MS = 60 * 60_000;
const HOOK_FAILED = 'PostStartHookError';

type Start = ActionOf<'startContainer'>;

/** Throws StartError with the reason that kubectl shows. The container runs, or has ended already, when it resolves. */
export async function startContainer(
  pod: Pod,
  runtime: PodRuntime,
  action: Start,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { container, role } = action;
  const fail = (error: StartError): StartError => {
    dependencies.record(pod, 'Warning', 'Failed', `Error: ${failureText(error)}`, container.name);
    return error;
  };
  try {
    const containerId = await create(pod, runtime, action, dependencies, signal);
    await start(pod, containerId, action, dependencies, signal);
    const handler = role === 'init' || role === 'ephemeral' ? undefined : container.lifecycle?.postStart;
    if (handler) await postStart(pod, containerId, action, handler, dependencies, signal);
  } catch (error) {
    signal.throwIfAborted();
    // A failed hook has its own event, without the hook's output: it may contain secrets.
    throw error instanceof StartError && error.reason !== HOOK_FAILED ? fail(error) : error;
  }
}

/** For failures that an earlier event describes in detail. */
const failureText = ({ reason, message }: StartError): string => (reason.includes('Image') ? reason : message);

async function create(
  pod: Pod,
  runtime: PodRuntime,
  action: Start,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<string> {
  const { cri, images, cgroups, record, volumes } = dependencies;
  const { container, sandboxId, podIPs, restartCount, backOffSeconds } = action;
  const config = sandboxConfig(pod, 0, cgroups.parentOf(pod), undefined, dependencies.sandbox);
  const ensure = (wanted: Pick<AnyContainer, 'image' | 'imagePullPolicy'>, of?: string): Promise<Image> =>
    images.ensure(
      {
        podUid: pod.metadata?.uid ?? '',
        container: wanted,
        pullSecrets: (pullSignal) => pullSecrets(pod, dependencies, pullSignal),
        sandboxConfig: config,
        event: (type, reason, message) => record(pod, type, reason, message, of),
      },
      signal,
    );
  const ofVolumes = new Map<string, VolumeImage>();
  for (const { name, reference, pullPolicy } of imageVolumesOf(pod, container)) {
    const { id } = await ensure({ image: reference, imagePullPolicy: pullPolicy });
    ofVolumes.set(name, { id, reference });
  }
  const image = await ensure(container, container.name);
  const environment = await containerEnvironment(pod, container, podIPs, dependencies.environment, signal);
  const binary = variablesWithoutText(environment);
  if (binary.length > 0) {
    const message = `Values of ${binary.join(', ')} are not valid UTF-8, which the runtime may not carry: mount them as files`;
    record(pod, 'Warning', 'InvalidEnvironmentVariableValues', message, container.name);
  }
  const target = container.targetContainerName
    ? newestContainer(runtime, container.targetContainerName, sandboxId)
    : undefined;
  if (container.targetContainerName && target?.state !== 'running') {
    throw configError(`unable to find target container ${container.targetContainerName}`);
  }
  let mounts: ContainerMount[];
  let devices: ContainerDevice[];
  try {
    devices = volumes.devicesOf(pod, container);
    mounts = [
      ...(await volumes.mountsOf(pod, container, signal, environmentText(environment), ofVolumes)),
      ...(await ownMounts(pod, container, restartCount, podIPs, dependencies)),
    ];
  } catch (error) {
    if (error instanceof VolumeError) throw configError(error.message);
    throw error;
  }
  const extra = await devicesOf(pod, container, dependencies, signal);
  const request = containerConfig({
    pod,
    container,
    restartCount,
    backOffSeconds,
    image,
    environment,
    ...{ mounts, devices, extra },
    host: dependencies.resourceHost,
    placement: await dependencies.placement?.prepare(pod, container, signal),
    targetId: target?.id,
  });
  await mkdir(path.join(podLogDirectory(dependencies.sandbox.logDirectory, pod), container.name), {
    recursive: true,
    mode: LOG_DIRECTORY_MODE,
  });
  // Not abortable: a half-created container would block the next attempt.
  return dependencies.starts.run(signal, async () => {
    try {
      const containerId = await cri.createContainer(sandboxId, request, config);
      record(pod, 'Normal', 'Created', 'Container created', container.name);
      if (request.stopSignal !== undefined) await checkStopSignal(pod, container, containerId, dependencies);
      return containerId;
    } catch (error) {
      throw new StartError('CreateContainerError', (error as Error).message);
    }
  });
}

const NO_SIGNAL = 'RUNTIME_DEFAULT';

/** A runtime that does not know stop signals ignores the one that the container asks for: the pod's events say so. */
async function checkStopSignal(
  pod: Pod,
  { name, lifecycle }: AnyContainer,
  containerId: string,
  { cri, record, logger }: PodDependencies,
): Promise<void> {
  try {
    const { stopSignal = NO_SIGNAL } = await cri.containerStatus(containerId);
    if (stopSignal !== NO_SIGNAL) return;
    const signal = lifecycle?.stopSignal ?? '';
    const message = `The container runtime does not know stop signals: instead of ${signal} the container is stopped with that of its image, or SIGTERM`;
    record(pod, 'Warning', 'StopSignalIgnored', message, name);
  } catch (error) {
    // The container is there all the same.
    logger.warn({ ...podFields(pod), container: name, err: error }, 'failed to read the stop signal of a container');
  }
}

/** What drivers and plugins of devices give the container. Throws StartError when it would run without a part of it. */
async function devicesOf(
  pod: Pod,
  container: AnyContainer,
  { cri, devices }: PodDependencies,
  signal: AbortSignal,
): Promise<DevicesOfContainer> {
  let extra: DevicesOfContainer;
  try {
    extra = await devices.devicesOf(pod, container, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw configError((error as Error).message);
  }
  if (extra.cdiDevices.length > 0 && !(await cri.injectsCdiDevices({ signal })))
    throw configError(
      'the container runtime does not inject CDI devices: that needs containerd 1.7 or later, with enable_cdi = true',
    );
  return extra;
}

async function start(
  pod: Pod,
  containerId: string,
  { container, restartCount }: Start,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const logs = podLogDirectory(dependencies.sandbox.logDirectory, pod);
  const log = path.join(logs, containerLogPath(container.name, restartCount));
  try {
    await dependencies.logLinks?.add(pod, container.name, containerId, log);
  } catch (error) {
    // Only log collectors miss it; the container runs.
    const fields = { ...podFields(pod), container: container.name, err: error };
    dependencies.logger.warn(fields, 'failed to create log symlink');
  }
  await dependencies.starts.run(signal, async () => {
    try {
      await dependencies.cri.startContainer(containerId);
    } catch (error) {
      throw new StartError('RunContainerError', (error as Error).message);
    }
  });
  dependencies.record(pod, 'Normal', 'Started', 'Container started', container.name);
}

async function postStart(
  pod: Pod,
  containerId: string,
  { container, podIPs }: Start,
  handler: NonNullable<NonNullable<AnyContainer['lifecycle']>['postStart']>,
  { cri, record, environment }: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const podIP = podIPs[0] ?? environment.hostIPs[0] ?? '';
  try {
    await runHook(handler, { container, containerId, podIP }, cri, { limitMs: POST_START_LIMIT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    record(pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name);
    record(pod, 'Normal', 'Killing', 'FailedPostStartHook', container.name);
    await cri.stopContainer(containerId, graceOf(pod));
    throw new StartError(HOOK_FAILED, (error as Error).message);
  }
}

/** /etc/hosts, and the file for the termination message. */
async function ownMounts(
  pod: Pod,
  container: AnyContainer,
  restartCount: number,
  podIPs: readonly string[],
  { volumes, sandbox, hostsFile: hostFile }: PodDependencies,
): Promise<ContainerMount[]> {
  const directory = volumes.podDirectory(pod.metadata?.uid ?? '');
  const mounts: ContainerMount[] = [];
  const show = (hostPath: string, containerPath: string) =>
    mounts.push({ hostPath, containerPath, readonly: false, propagation: 'private' });
  if (!container.volumeMounts?.some(({ mountPath }) => mountPath === '/etc/hosts')) {
    const file = path.join(directory, 'etc-hosts');
    const ofHost = pod.spec?.hostNetwork ? await readFile(hostFile, 'utf8') : '';
    await writeFile(file, hostsFile(pod, podIPs, sandbox.clusterDomain, ofHost), { mode: HOSTS_FILE_MODE });
    show(file, '/etc/hosts');
  }
  const messagePath = container.terminationMessagePath ?? DEFAULT_TERMINATION_MESSAGE_PATH;
  if (messagePath) {
    const file = terminationMessageFile(directory, container.name, restartCount);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '');
    // Regardless of the umask.
    await chmod(file, TERMINATION_FILE_MODE);
    show(file, messagePath);
  }
  return mounts;
}

async function pullSecrets(pod: Pod, { environment, record }: PodDependencies, signal: AbortSignal): Promise<Secret[]> {
  const namespace = pod.metadata?.namespace ?? '';
  const secrets: Secret[] = [];
  for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
    try {
      const secret = await environment.objects.secret(namespace, name, signal);
      if (secret) secrets.push(secret);
      else {
        const message = `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`;
        record(pod, 'Warning', 'FailedToRetrieveImagePullSecret', message);
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return secrets;
}
