import type { Logger } from '../../client/logger.ts';

/**
 * Says once what a node lacks under a control plane that is not Kedge's: the agent is kube-proxy, too, under its node's
 * identity, and elsewhere that has the role of a kubelet alone.
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
