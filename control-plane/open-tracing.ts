/** Tracing as the settings have it. What sends spans is loaded when there is something to send only: gRPC takes megabytes. */
import os from 'node:os';
import type { Logger } from '../client/logger.ts';
import type { Exposition } from '../daemon/metrics/exposition.ts';
import type { Tracer } from '../daemon/tracing/tracer.ts';
import type { ObservabilitySettings } from './observability-settings.ts';

/** As upstream's api-server names itself. */
const SERVICE_NAME = 'apiserver';

export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer;
  readonly write: (to: Exposition) => void;
}

/** Undefined where nothing is to be traced. Rejects with SettingValueError when the file is wrong. */
export async function openTracing(
  { tracingConfigFile }: Pick<ObservabilitySettings, 'tracingConfigFile'>,
  logger: Logger,
): Promise<Tracing | undefined> {
  if (tracingConfigFile === '') return undefined;
  const { loadConfiguration } = await import('../daemon/configuration-file.ts');
  const { DEFAULT_ENDPOINT, readTracingConfiguration } = await import('../daemon/tracing/configuration.ts');
  const { OtlpExporter } = await import('../daemon/tracing/otlp-exporter.ts');
  const { Tracer } = await import('../daemon/tracing/tracer.ts');
  const settings = await loadConfiguration(tracingConfigFile, 'tracing configuration', readTracingConfiguration);
  const { endpoint = DEFAULT_ENDPOINT, samplingRatePerMillion = 0 } = settings;
  const resource = new Map([
    ['service.name', SERVICE_NAME],
    ['service.instance.id', os.hostname()],
  ]);
  const exporter = new OtlpExporter({ endpoint, resource, logger });
  logger.info({ endpoint, samplingRatePerMillion }, 'requests are traced');
  return {
    tracer: new Tracer({ samplingRatePerMillion, take: exporter.take }),
    write: exporter.write,
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}
