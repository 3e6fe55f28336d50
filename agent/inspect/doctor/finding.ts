/** What a check of this host says. */

/** A host with a failure cannot do its work as a node; one with a warning can, with limits or not for long. */
export type Level = 'ok' | 'warning' | 'failure';

export interface Finding {
  readonly level: Level;
  /** What was there, as a sentence without its end. */
  readonly found: string;
  /** Of what is not ok: what is needed, and how to get there. */
  readonly wanted?: string;
  readonly mend?: string;
}

export const ok = (found: string): Finding => ({ level: 'ok', found });
export const warning = (found: string, wanted: string, mend: string): Finding => ({
  ...{ level: 'warning', found, wanted, mend },
});
export const failure = (found: string, wanted: string, mend: string): Finding => ({
  ...{ level: 'failure', found, wanted, mend },
});

export interface CheckedFinding extends Finding {
  readonly check: string;
}

/** A host is fit when nothing fails. */
export const isFit = (findings: readonly Finding[]): boolean => findings.every(({ level }) => level !== 'failure');
