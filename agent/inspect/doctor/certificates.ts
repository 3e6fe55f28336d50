import { humanDuration } from '../../../api/machinery/duration.ts';
import { failure, ok, warning, type Finding } from './finding.ts';

export interface CertificateFacts {
  readonly directory: string;
  readonly nowMs: number;
  readonly agentRuns: boolean;
  readonly certificates: readonly (
    | { readonly name: string; readonly validFromMs: number; readonly validToMs: number }
    | { readonly name: string; readonly error: string }
  )[];
}

/** The agent renews its own after 70 to 90 % of their time. */
const LATE = 0.05;

/** Pure. */
export function judgeCertificates({ directory, nowMs, agentRuns, certificates }: CertificateFacts): Finding[] {
  if (certificates.length === 0) return [ok('none yet: this host is no node so far')];
  const rejoin = 'kedge token create --print-join-command on the server prints how to join again';
  return certificates.map((certificate) => {
    const { name } = certificate;
    if ('error' in certificate)
      return failure(`the ${name} certificate cannot be read: ${certificate.error}`, 'a certificate', rejoin);
    const { validFromMs, validToMs } = certificate;
    const found = `the ${name} certificate in ${directory}`;
    if (nowMs > validToMs)
      return failure(`${found} has expired ${humanDuration(nowMs - validToMs)} ago`, 'one that is valid', rejoin);
    if (nowMs < validFromMs)
      return failure(
        `${found} is not valid for another ${humanDuration(validFromMs - nowMs)}`,
        'the right time',
        'set the clock',
      );
    const left = humanDuration(validToMs - nowMs);
    if ((validToMs - nowMs) / (validToMs - validFromMs) < LATE)
      return warning(
        `${found} expires in ${left}, and should have been renewed`,
        'a renewal after 70 to 90 % of its time',
        agentRuns ? 'journalctl -u kedge-agent says why it was not' : 'start the agent, which renews it',
      );
    return ok(`${found} is valid for another ${left}`);
  });
}
