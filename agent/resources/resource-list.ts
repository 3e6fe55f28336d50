/** Quantities by the name of the resource, as upstream's type of this name: what a node has, or what pods may have of it. */
export type ResourceList = Readonly<Record<string, string>>;
