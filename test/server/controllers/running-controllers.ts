/** Some controllers against a real api-server, whose pods do what the test says. */
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { events } from '../../../client/resources.gen.ts';
import type { ControllerDescriptor } from '../../../control-plane/controllers/framework/controller.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { silent, TestServer } from '../apiserver/server.ts';
import { PodDriver } from './pod-driver.ts';

export const NAMESPACE = 'apps';

export class RunningControllers implements AsyncDisposable {
  readonly server: TestServer;
  readonly client: ApiClient;
  readonly driver: PodDriver;
  /** Pods become ready when it says so. */
  becomesReady: (pod: Pod) => boolean = () => true;
  readonly #descriptors: readonly ControllerDescriptor[];
  /** One for each process that would run the controllers. */
  readonly #runs: { readonly stop: AbortController; readonly ended: Promise<void> }[] = [];

  private constructor(server: TestServer, client: ApiClient, descriptors: readonly ControllerDescriptor[]) {
    this.server = server;
    this.client = client;
    this.#descriptors = descriptors;
    this.driver = new PodDriver({ client, becomesReady: (pod) => this.becomesReady(pod) });
    this.#runs.push(this.#run());
  }

  static async start(...descriptors: readonly ControllerDescriptor[]): Promise<RunningControllers> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    await client.create(namespaces, { metadata: { name: NAMESPACE } });
    return new RunningControllers(server, client, descriptors);
  }

  #run() {
    const stop = new AbortController();
    const options = { client: this.client, logger: silent, signal: stop.signal };
    return { stop, ended: runDescriptors(this.#descriptors, options) };
  }

  /** Runs the controllers once more, beside those that run: as if two leaders were elected. */
  runAnother(): void {
    this.#runs.push(this.#run());
  }

  /** Stops the controllers, whatever they are doing, and starts them anew. */
  async restart(whileStopped: () => Promise<void> = async () => undefined, index = 0): Promise<void> {
    const before = this.#runs[index];
    before?.stop.abort(new Error('the controllers are restarted'));
    await before?.ended;
    await whileStopped();
    this.#runs[index] = this.#run();
  }

  /** `REASON: message` of all events about objects of this kind. */
  async events(kind: string): Promise<string[]> {
    const all = await this.client.listAll(events, { namespace: NAMESPACE });
    return all
      .filter(({ involvedObject }) => involvedObject.kind === kind)
      .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.#runs) stop.abort(new Error('the test is over'));
    await Promise.all(this.#runs.map(({ ended }) => ended));
    await this.driver[Symbol.asyncDispose]();
    await this.client[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
