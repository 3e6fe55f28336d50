/** Whether this agent has been told where the cluster's pods are. */
import { Cidr } from '../../api/machinery/address.ts';

/** A sentence for the operator when the cluster gives this node's pods other addresses than `clusterCidr`. */
export function rangeWarning(clusterCidr: Cidr, podCidr: string): string | undefined {
  const own = Cidr.parse(podCidr);
  if (!own || clusterCidr.contains(own.network)) return undefined;
  return (
    `cluster-cidr is ${clusterCidr.text} here, but this cluster gives the node's pods addresses of ${podCidr}: set it to the ` +
    "cluster's; until then, the pods reach nothing outside of the cluster"
  );
}
