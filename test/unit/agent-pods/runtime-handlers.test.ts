import { test } from 'tap';
import { RuntimeHandlers } from '../../../agent/pods/sandbox/runtime-handlers.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { runtimeClasses } from '../../../client/resources.gen.ts';

const { signal } = new AbortController();
const pod = (runtimeClassName?: string): Pod => ({ spec: { containers: [], runtimeClassName } });

test('a pod runs with the handler of its RuntimeClass, also while the api-server is unreachable', async (t) => {
  let reachable = true;
  const handlers = new Map([['sandboxed', 'kata']]);
  const get = async (_resource: unknown, _namespace: string, name: string): Promise<object> => {
    if (!reachable) throw new Error('connection refused');
    const handler = handlers.get(name);
    if (handler === undefined) throw notFound(runtimeClasses, name);
    return { handler };
  };
  const handlersOf = new RuntimeHandlers({ get: get as ApiClient['get'] });
  t.equal(await handlersOf.of(pod(), signal), '');
  t.equal(await handlersOf.of(pod('sandboxed'), signal), 'kata');
  await t.rejects(handlersOf.of(pod('gone'), signal), { message: 'runtimeclasses.node.k8s.io "gone" not found' });

  reachable = false;
  t.equal(await handlersOf.of(pod(), signal), '');
  t.equal(await handlersOf.of(pod('sandboxed'), signal), 'kata');
  await t.rejects(handlersOf.of(pod('other'), signal), { message: 'connection refused' });

  reachable = true;
  handlers.clear();
  await t.rejects(handlersOf.of(pod('sandboxed'), signal), { message: /not found/ });
});
