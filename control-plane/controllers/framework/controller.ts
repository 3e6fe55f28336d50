/**
 * The contract of a controller: what it watches, how events become keys, and what is done about a key. It is level-triggered, as
 * upstream's are: an event only wakes a worker, which reads the state as it is then.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/controllers.md
 */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { EventRecorder } from '../../../client/event-recorder.ts';
import type { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import type { InformerDefinition, OwnedSource } from './informer-factory.ts';
import type { KeyQueue, Watch } from './watch.ts';

/** A controller as the composition root lists it. */
export interface ControllerDescriptor {
  /** As in the `--controllers` of upstream's kube-controller-manager; field `controller` of each of its log lines. */
  readonly name: string;
  /** How many keys are worked on at the same time. */
  readonly workers: number;
  /** Called once, before anything is started. Only informers that some controller asks for here are ever started. */
  readonly create: (context: ControllerContext) => Controller;
}

export interface ControllerContext {
  readonly client: ApiClient;
  /** A child of the daemon's logger, with the controller's name. */
  readonly logger: Logger;
  /** The shared cache of this definition. It is in sync before the first key is reconciled. */
  readonly informer: <T extends KubeObject, S>(definition: InformerDefinition<T, S>) => Informer<T, S>;
  /** The caches of whole resources that any controller uses, as their ownership. To be called in `watches`. */
  readonly ownedSources: () => readonly OwnedSource[];
  /** Where events and `background` put the keys that are to be reconciled. */
  readonly queue: KeyQueue;
  /** `component` is the source that the events name, as upstream's controller names itself there. */
  readonly recorder: (component: string) => EventRecorder;
}

export interface Controller {
  /** The events that wake the controller. A handler that throws is logged and counted; it stops no other. */
  watches(): readonly Watch[];
  /**
   * Compares what is wanted with what there is, and acts. Returns in how many ms to look again though nothing happens, or
   * undefined. A rejection brings the key back after a growing wait. The signal is aborted when the controller has to stop.
   */
  reconcile(key: string, signal: AbortSignal): Promise<number | undefined>;
  /** Runs beside the workers until the signal is aborted; called when the caches are in sync, before the first key. */
  background?(run: ControllerRun): Promise<void>;
}

export interface ControllerRun {
  readonly signal: AbortSignal;
  /** Watches one more source, which `background` runs itself. */
  readonly watch: (watch: Watch) => void;
}
