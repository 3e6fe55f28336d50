/** The helper process: `kedge volume-helper`, requests on stdin, responses on stdout. Blocking calls are fine here. */
import { readFileSync, writeFileSync } from 'node:fs';
import { abortAllRequests } from './abort-requests.ts';
import { bindHostPath } from './bind.ts';
import { bindSubPath } from './sub-path.ts';
import { fileSystemUsage } from './file-system-usage.ts';
import { checkHostPath } from './host-path.ts';
import { setGroup } from './ownership.ts';
import type { VolumeResponse, VolumeRequest } from './requests.ts';

export async function respond(request: VolumeRequest, signal: AbortSignal): Promise<VolumeResponse> {
  switch (request.do) {
    case 'check-host-path':
      checkHostPath(request.path, request.type);
      return {};
    case 'set-group':
      setGroup(request);
      return {};
    case 'file-system-usage':
      return { usage: fileSystemUsage(request.path) };
    case 'abort-requests':
      await abortAllRequests(request.path, signal);
      return {};
    case 'bind-host-path':
      await bindHostPath(request.path, request.target, signal);
      return {};
    case 'bind-sub-path':
      await bindSubPath(request.volume, request.subPath, request.target, signal);
      return {};
  }
}

/** Runs until every request is answered; the agent kills it when that takes too long. */
export async function runVolumeHelper(): Promise<void> {
  // Modes are given in full: the agent's umask must not apply.
  process.umask(0);
  const { signal } = new AbortController();
  const requests = JSON.parse(readFileSync(0, 'utf8')) as VolumeRequest[];
  const responses: VolumeResponse[] = [];
  for (const request of requests) {
    try {
      responses.push(await respond(request, signal));
    } catch (error) {
      responses.push({ error: error instanceof Error ? error.message : String(error) });
    }
  }
  writeFileSync(1, JSON.stringify(responses));
}
