/** How a backend makes units of Services. */
import type { ServiceEntry } from '../model/service-entry.ts';

export interface CompiledServices<Unit> {
  /** By the Service's key; undefined for one that has no rules. */
  readonly units: ReadonlyMap<string, Unit | undefined>;
  /** Services that cannot be compiled: they have no rules, and keep no other out. */
  readonly invalid: ReadonlyMap<string, Error>;
}

export function compileServices<Unit>(
  services: ReadonlyMap<string, ServiceEntry | undefined>,
  compile: (service: ServiceEntry) => Unit,
): CompiledServices<Unit> {
  const units = new Map<string, Unit | undefined>();
  const invalid = new Map<string, Error>();
  for (const [key, service] of services) {
    units.set(key, undefined);
    try {
      if (service) units.set(key, compile(service));
    } catch (error) {
      invalid.set(key, error as Error);
    }
  }
  return { units, invalid };
}
