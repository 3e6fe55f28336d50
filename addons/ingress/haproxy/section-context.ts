import type { BackendModel } from '../model/model.ts';
import type { SideRequests } from './side-requests.ts';

/** What the lines of a section refer to. */
export interface SectionContext {
  /** The port that clients see HTTPS at. */
  readonly httpsPort: number;
  /** The file of a PEM text. */
  fileOf(pem: string): string;
  /** The file of a map of the configuration, as an argument. */
  mapOf(name: string): string;
  /** The list of users of a backend. */
  userListOf(backend: BackendModel): string;
  readonly side: SideRequests;
}
