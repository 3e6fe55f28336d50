import type { Logger } from '../../client/logger.ts';

/**
 * Logs once which role a node lacks under a control plane other than Kedge's: the agent also is kube-proxy, with its node's
 * identity, which elsewhere has the role of a kubelet only.
 */
export function proxierRightMissing(logger: Logger): () => void {
  let said = false;
  return () => {
    if (said) return;
    said = true;
    logger.error(
      {},
      'nodes lack the role system:node-proxier in this cluster: Services and routes to the pods of other nodes are not set up on ' +
        'this host until an administrator runs: ' +
        'kubectl create clusterrolebinding kedge:node-proxier --clusterrole=system:node-proxier --group=system:nodes',
    );
  };
}
