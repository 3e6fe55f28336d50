import { noSuchPath } from '../../api/machinery/status-error.ts';
import type { Action, Connector, Handlers } from '../../control-plane/apiserver/verbs/handlers.ts';

export type SomeHandlers = { readonly [Sort in keyof Handlers]?: Partial<Handlers[Sort]> };

const missing = (): never => {
  throw noSuchPath();
};
const action: Action = missing;
const connector: Connector<unknown> = { methods: new Set(['GET']), takesPath: false, serve: missing, upgrade: missing };

/** A complete set of handlers; those that are not given answer 404. */
export const handlersWith = ({ actions, connectors, streams }: SomeHandlers = {}): Handlers => ({
  actions: {
    bindings: action,
    'localsubjectaccessreviews.authorization.k8s.io': action,
    'pods/binding': action,
    'pods/eviction': action,
    'selfsubjectaccessreviews.authorization.k8s.io': action,
    'selfsubjectreviews.authentication.k8s.io': action,
    'selfsubjectrulesreviews.authorization.k8s.io': action,
    'serviceaccounts/token': action,
    'subjectaccessreviews.authorization.k8s.io': action,
    'tokenreviews.authentication.k8s.io': action,
    ...actions,
  },
  connectors: {
    'nodes/proxy': connector,
    'pods/attach': connector,
    'pods/exec': connector,
    'pods/portforward': connector,
    'pods/proxy': connector,
    'services/proxy': connector,
    ...connectors,
  },
  streams: { 'pods/log': connector, ...streams },
});
