import t from 'tap';
import { agentSettings } from '../../../agent/config.ts';
import { serverSettings } from '../../../control-plane/config.ts';
import { reservedPorts } from '../../../control-plane/reserved-ports.ts';

t.test('no load balancer gets a port that a node answers on itself', (t) => {
  const { defaults } = serverSettings;
  const ranges = reservedPorts({ ...defaults, port: 7443 });
  const isReserved = (port: number): boolean => ranges.some(({ first, last }) => first <= port && port <= last);
  const { vxlanPort, proxyHealthPort, proxyMetricsPort, port: nodeApiPort } = agentSettings.defaults;
  // What pods send each other comes in at the port of VXLAN: a Service with it would have the packets of all.
  for (const port of [vxlanPort, proxyHealthPort, proxyMetricsPort, nodeApiPort, defaults.port, 7443, 22, 30_000])
    t.ok(isReserved(port), `${port}`);
  for (const port of [80, 443, 8080]) t.notOk(isReserved(port), `${port}`);
  t.end();
});
