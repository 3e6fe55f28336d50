/** Upstream's TracingConfiguration: https://kubernetes.io/docs/concepts/cluster-administration/system-traces/ */
import { invalid, type FieldError } from '../../api/machinery/field-error.ts';
import { int32, optional, required, string, struct } from '../../api/machinery/schema.ts';
import { typedConfiguration } from '../typed-configuration.ts';

export interface TracingConfiguration {
  /** Of the collector; default: `localhost:4317`. */
  readonly endpoint?: string;
  /** Default: 0, which traces only what privileged callers trace. */
  readonly samplingRatePerMillion?: number;
}

export const DEFAULT_ENDPOINT = 'localhost:4317';
const MAX_RATE = 1_000_000;
/** What upstream takes: a host and a port, or a target of gRPC by DNS or a socket. */
const ENDPOINT = /^(?:(?:dns:(?:\/\/)?\/?)?(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}|unix:(?:\/\/)?\/[^\s]+)$/;

const shape = struct('TracingConfiguration', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  endpoint: optional(undefined, string),
  samplingRatePerMillion: optional(undefined, int32),
}));

/** Parses one in YAML or JSON. Throws SettingValueError. */
export const readTracingConfiguration = typedConfiguration<TracingConfiguration>({
  apiVersions: ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1', 'apiserver.config.k8s.io/v1alpha1'],
  kind: 'TracingConfiguration',
  shape,
  validate: validateTracing,
});

export function validateTracing({ endpoint, samplingRatePerMillion: rate = 0 }: TracingConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  if (endpoint !== undefined && !ENDPOINT.test(endpoint))
    errors.push(invalid('endpoint', endpoint, 'must be HOST:PORT, dns:HOST:PORT or unix:PATH'));
  if (rate < 0 || rate > MAX_RATE)
    errors.push(invalid('samplingRatePerMillion', rate, `must be from 0 to ${MAX_RATE}`));
  return errors;
}
