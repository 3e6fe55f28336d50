import { GATEWAY_GROUP } from '../../../../api/domain/gateway-api.ts';
import { listenerStatuses, setListeners } from './listeners.ts';
import { conditions, group, kind, namespace, object, objectName, pending, withDefault } from './schema.ts';

const parentRef = object(
  { group: withDefault(group, GATEWAY_GROUP), kind: withDefault(kind, 'Gateway'), name: objectName, namespace },
  ['name'],
);
const PENDING = pending('Accepted', 'Programmed');

export const listenerSetSchema = object(
  {
    spec: object({ parentRef, listeners: setListeners }, ['listeners', 'parentRef']),
    status: withDefault(object({ conditions: withDefault(conditions, PENDING), listeners: listenerStatuses }), {
      conditions: PENDING,
    }),
  },
  ['spec'],
);
