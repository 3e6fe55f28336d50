import { atomic, boolean, list, string, struct, type Static } from '../machinery/schema.ts';

export const ShardInfo = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo',
  {
    selector: string(),
  },
  {},
);
export type ShardInfo = Static<typeof ShardInfo>;

export const GroupVersionForDiscovery = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery',
  {
    groupVersion: string(),
    version: string(),
  },
  {},
);
export type GroupVersionForDiscovery = Static<typeof GroupVersionForDiscovery>;

export const ServerAddressByClientCIDR = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR',
  {
    clientCIDR: string(),
    serverAddress: string(),
  },
  {},
);
export type ServerAddressByClientCIDR = Static<typeof ServerAddressByClientCIDR>;

export const APIGroup = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup',
  {
    name: string(),
    versions: atomic(GroupVersionForDiscovery),
  },
  {
    apiVersion: string(),
    kind: string(),
    preferredVersion: GroupVersionForDiscovery,
    serverAddressByClientCIDRs: atomic(ServerAddressByClientCIDR),
  },
);
export type APIGroup = Static<typeof APIGroup>;

export const APIGroupList = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList',
  {
    groups: atomic(APIGroup),
  },
  {
    apiVersion: string(),
    kind: string(),
  },
);
export type APIGroupList = Static<typeof APIGroupList>;

export const APIResource = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.APIResource',
  {
    kind: string(),
    name: string(),
    namespaced: boolean(),
    singularName: string(),
    verbs: list(string()),
  },
  {
    categories: atomic(string()),
    group: string(),
    shortNames: atomic(string()),
    storageVersionHash: string(),
    version: string(),
  },
);
export type APIResource = Static<typeof APIResource>;

export const APIResourceList = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList',
  {
    groupVersion: string(),
    resources: atomic(APIResource),
  },
  {
    apiVersion: string(),
    kind: string(),
  },
);
export type APIResourceList = Static<typeof APIResourceList>;

export const APIVersions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions',
  {
    serverAddressByClientCIDRs: atomic(ServerAddressByClientCIDR),
    versions: atomic(string()),
  },
  {
    apiVersion: string(),
    kind: string(),
  },
);
export type APIVersions = Static<typeof APIVersions>;
