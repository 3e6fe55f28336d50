import type { AskVolumeHelper, VolumeAnswer, VolumeRequest } from './requests.ts';

interface Waiting {
  readonly requests: readonly VolumeRequest[];
  readonly answer: PromiseWithResolvers<VolumeAnswer[]>;
}

/** Gathers what is asked within one turn of the event loop and asks it of one helper: a process start costs 40 ms. */
export function inOneHelper(ask: AskVolumeHelper): AskVolumeHelper {
  let waiting: Waiting[] = [];
  const send = async (signal: AbortSignal): Promise<void> => {
    const batch = waiting;
    waiting = [];
    try {
      const answers = await ask(
        batch.flatMap(({ requests }) => requests),
        signal,
      );
      let start = 0;
      for (const { requests, answer } of batch) answer.resolve(answers.slice(start, (start += requests.length)));
    } catch (error) {
      for (const { answer } of batch) answer.reject(error);
    }
  };
  return (requests, signal) => {
    const answer = Promise.withResolvers<VolumeAnswer[]>();
    waiting.push({ requests, answer });
    if (waiting.length === 1) setImmediate(() => void send(signal));
    return answer.promise;
  };
}
