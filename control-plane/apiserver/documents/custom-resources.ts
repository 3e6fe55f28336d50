/** Custom resources, as long as there can be none. */
import type { PathHandler } from '../verbs/handlers.ts';

const PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/**
 * The list of custom resource definitions, which is empty. Discovery does not name it, since none can be made. But kubectl asks
 * for it before it says that a kind of a served version is unknown, and refuses the whole file when there is no answer.
 */
export const noCustomResources =
  (revision: () => number): PathHandler =>
  (exchange) => {
    if (exchange.info.path !== PATH || exchange.info.verb !== 'list') return false;
    exchange.sendObject(200, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinitionList',
      metadata: { resourceVersion: String(revision()) },
      items: [],
    });
    return true;
  };
