/** What a server of a cluster gives to one that joins it, once, for a token that is for that alone (docs/high-availability.md). */

/** The path of the api-server: a GET returns a bundle with nothing but settings, a POST all of it. */
export const SERVER_JOIN_PATH = '/server-join';

export type SharedSetting = string | number | boolean | readonly string[];

export interface ServerBundle {
  /** Settings of `kedge server` that all servers of the cluster have alike, by their names. Those of files are not among them. */
  readonly settings: Readonly<Record<string, SharedSetting>>;
  /** The contents of files that settings name, by the names of the settings. */
  readonly files: Readonly<Record<string, string>>;
  /** PEM texts by the names of the files: keys and certificates that are the same on all servers. */
  readonly pki: Readonly<Record<string, string>>;
  /** Client URLs of the members of an etcd that Kedge runs. */
  readonly etcdMembers?: readonly string[];
}
