/** Handlers match what kinds declare. Most of this is for the compiler: a line below an unused `@ts-expect-error` is an error. */
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { evictions } from '../../../api/kinds/policy/eviction.ts';
import { defineKind, groupResource } from '../../../api/machinery/define-kind.ts';
import {
  isActionSubresource,
  isConnectSubresource,
  isStreamSubresource,
  type Kind,
} from '../../../api/machinery/kind.ts';
import { actionSubresource } from '../../../api/machinery/subresources.ts';
import { kinds } from '../../../api/registry.ts';
import { Pod } from '../../../api/types/core/v1.gen.ts';
import type { Handlers } from '../../../control-plane/apiserver/verbs/handlers.ts';
import { handlersWith } from '../../support/handlers.ts';

const { actions, connectors, streams } = handlersWith();

/** The handlers that a kind needs, each beside the name of the resource that it is declared for. */
function neededBy(kind: Kind): [handler: string, resource: string][] {
  const resource = groupResource(kind);
  const needed: [string, string][] = kind.action ? [[kind.action, resource]] : [];
  for (const one of kind.subresources) {
    const name = `${resource}/${one.name}`;
    if (isActionSubresource(one)) needed.push([one.action, name]);
    if (isConnectSubresource(one)) needed.push([one.connection, name]);
    if (isStreamSubresource(one)) needed.push([one.stream, name]);
  }
  return needed;
}

t.test('each handler is declared by the resource that it is named for, and only there', async (t) => {
  const needed = kinds.flatMap(neededBy);
  for (const [handler, resource] of needed) t.equal(handler, resource);
  const served = [actions, connectors, streams].flatMap((handlers) => Object.keys(handlers));
  t.strictSame(needed.map(([handler]) => handler).sort(), served.sort());
});

t.test('what has no handler cannot be declared', async (t) => {
  // @ts-expect-error no such action
  const action = actionSubresource('pods/hibernation', evictions);
  const declared = { ...pods, kind: 'Pod', schema: Pod, namespaced: true };
  const kind = defineKind({
    ...declared,
    subresources: [
      action,
      // @ts-expect-error no such connection
      { name: 'console', connection: 'pods/console', verbs: ['get'], group: '', version: 'v1', kind: 'Console' },
      // @ts-expect-error no such stream
      { name: 'trace', stream: 'pods/trace', verbs: ['get'] },
      // @ts-expect-error neither a part of the object nor anything that is served
      { name: 'nothing', verbs: ['get'] },
    ],
  });
  // @ts-expect-error no such action
  const review: Pick<Kind, 'action'> = { action: 'podreviews' };
  t.equal(kind.subresources.length, 4);
  t.equal(review.action, 'podreviews');
});

t.test('a handler can be neither missing nor left over', async (t) => {
  const { 'pods/exec': exec, ...others } = connectors;
  // @ts-expect-error no handler for pods/exec
  const missing: Handlers = { actions, connectors: others, streams };
  // @ts-expect-error nothing declares pods/console
  const surplus: Handlers['connectors'] = { ...connectors, 'pods/console': exec };
  t.notOk('pods/exec' in missing.connectors);
  t.ok('pods/console' in surplus);
});
