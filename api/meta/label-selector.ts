import { atomic, string, stringMap, struct, type Static } from '../machinery/schema.ts';

export const LabelSelectorRequirement = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement',
  {
    key: string(),
    operator: string(),
  },
  {
    values: atomic(string()),
  },
);
export type LabelSelectorRequirement = Static<typeof LabelSelectorRequirement>;

export const LabelSelector = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector',
  {},
  {
    matchExpressions: atomic(LabelSelectorRequirement),
    matchLabels: stringMap(),
  },
  { mapType: 'atomic' },
);
export type LabelSelector = Static<typeof LabelSelector>;
