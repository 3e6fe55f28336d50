/** Ports of containers, by number or by name. */
import { isPortNumber } from '../../api/domain/port-number.ts';
import type { Container } from '../../api/types/core/v1.gen.ts';

/** Throws when the container has no such port. */
export function portNumber(port: number | string, container: Pick<Container, 'name' | 'ports'>): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port);
  const number = named?.containerPort ?? Number(port);
  if (isPortNumber(number)) return number;
  throw new Error(`couldn't find port: ${JSON.stringify(port)}`);
}
