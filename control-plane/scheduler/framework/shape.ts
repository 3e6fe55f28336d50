/** A function of utilization, drawn by points with straight lines between them: upstream's broken linear function. */
import type { UtilizationShapePoint } from '../../../api/types/kubescheduler/v1.gen.ts';
import { MAX_SCORE } from './plugin.ts';

/** The highest score of a point; the lowest is 0. */
export const MAX_SHAPE_SCORE = 10;
const FULL_PERCENT = 100;

/** The score for what is requested of a capacity, 0 to MAX_SCORE; more than there is counts as all of it. */
export type ShapeScore = (requested: number, capacity: number) => number;

/** @param points by ascending utilization, one at least */
export function scoreByShape(points: readonly UtilizationShapePoint[]): ShapeScore {
  const scaled = points.map(({ utilization, score }) => ({
    utilization,
    score: (score * MAX_SCORE) / MAX_SHAPE_SCORE,
  }));
  const at = (percent: number): number => {
    let before = scaled[0];
    for (const point of scaled) {
      if (percent > point.utilization) {
        before = point;
        continue;
      }
      if (!before || before === point) return point.score;
      const [rise, run] = [point.score - before.score, point.utilization - before.utilization];
      return before.score + Math.trunc((rise * (percent - before.utilization)) / run);
    }
    return before?.score ?? 0;
  };
  return (requested, capacity) =>
    at(capacity === 0 || requested > capacity ? FULL_PERCENT : Math.floor((requested * FULL_PERCENT) / capacity));
}
