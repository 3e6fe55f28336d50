/** The recorder that the settings ask for. */
import type { Logger } from '../../client/logger.ts';
import type { AgentConfig } from '../config.ts';
import { parseRecorderSize } from './recorder-size.ts';
import { Recorder } from './recorder.ts';

/** Undefined where it is switched off. */
export async function startRecorder(
  { dataDir, recorderSize }: Pick<AgentConfig, 'dataDir' | 'recorderSize'>,
  logger: Logger,
): Promise<Recorder | undefined> {
  const totalBytes = parseRecorderSize(recorderSize);
  return totalBytes === 0 ? undefined : Recorder.open({ dataDir, totalBytes, logger });
}
