/** Conditions of a status: one of each type, with the time at which its status last changed. */
export interface StatusCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string | null;
}

/**
 * The conditions with `wanted` in the place of the one of its type. The same list when status and reason are as they were:
 * messages alone do not make a new condition. A condition whose status stays keeps its transition time.
 */
export function withCondition<C extends StatusCondition>(
  conditions: readonly C[] | undefined,
  wanted: C,
): readonly C[] {
  const current = conditions?.find(({ type }) => type === wanted.type);
  if (current?.status === wanted.status && current.reason === wanted.reason) return conditions ?? [];
  const next =
    current?.status === wanted.status ? { ...wanted, lastTransitionTime: current.lastTransitionTime } : wanted;
  return [...withoutCondition(conditions, wanted.type), next];
}

export const withoutCondition = <C extends StatusCondition>(conditions: readonly C[] | undefined, type: string): C[] =>
  (conditions ?? []).filter((condition) => condition.type !== type);

export const findCondition = <C extends StatusCondition>(conditions: readonly C[] | undefined, type: string) =>
  conditions?.find((condition) => condition.type === type);
