// Generated from api/types/facts.txt by `npm run generate`.
import { optional, required, string, struct } from '../../machinery/schema.ts';

export const Info = struct('io.k8s.apimachinery.pkg.version.Info', () => ({
  buildDate: required(undefined, string),
  compiler: required(undefined, string),
  gitCommit: required(undefined, string),
  gitTreeState: required(undefined, string),
  gitVersion: required(undefined, string),
  goVersion: required(undefined, string),
  major: required(undefined, string),
  minor: required(undefined, string),
  platform: required(undefined, string),
  emulationMajor: optional(undefined, string),
  emulationMinor: optional(undefined, string),
  minCompatibilityMajor: optional(undefined, string),
  minCompatibilityMinor: optional(undefined, string),
}));
export type Info = {
  buildDate: string;
  compiler: string;
  gitCommit: string;
  gitTreeState: string;
  gitVersion: string;
  goVersion: string;
  major: string;
  minor: string;
  platform: string;
  emulationMajor?: string;
  emulationMinor?: string;
  minCompatibilityMajor?: string;
  minCompatibilityMinor?: string;
};
