/** Custom resources, as long as there can be none. */
import type { PathHandler } from '../verbs/handlers.ts';

const PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/**
 * Discovery does not list customresourcedefinitions, since none can be created. But kubectl lists them before it reports that a
 * kind of a served version is unknown, and rejects the whole file when the request fails.
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
