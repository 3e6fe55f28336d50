import { report, since, wordsOf } from './report.ts';

/** Settles as `write` does, and tells the flight recorder what became of it. Rules are nobody's in particular: several share them. */
export async function reportedRules(owner: string, changed: string, write: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const told = { kind: 'rules', rules: [{ owner, changed }] } as const;
  try {
    await write();
    report({ ...told, ms: since(startedAt) }, null);
  } catch (error) {
    report({ ...told, ms: since(startedAt), error: wordsOf(error) }, null);
    throw error;
  }
}
