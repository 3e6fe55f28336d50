/** Metrics of this process, with the names of Prometheus' client libraries. */
import { readdirSync } from 'node:fs';
import { timeIn } from '../../client/clock.ts';
import type { Exposition } from './exposition.ts';

const STARTED_AT_SECONDS = timeIn(-process.uptime() * 1000) / 1000;

export function writeProcess(to: Exposition): void {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  to.single('process_cpu_seconds_total', 'counter', 'CPU time of the process.', (user + system) / 1e6);
  to.single('process_resident_memory_bytes', 'gauge', 'Resident memory.', rss);
  to.single('process_start_time_seconds', 'gauge', 'Start of the process since the epoch.', STARTED_AT_SECONDS);
  to.single('process_open_fds', 'gauge', 'Open file descriptors.', readdirSync('/proc/self/fd').length);
  to.single('nodejs_heap_size_used_bytes', 'gauge', 'JavaScript heap in use.', heapUsed);
}
