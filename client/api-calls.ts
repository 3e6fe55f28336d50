/** What calls of the API client take and return. */
import type { Dispatcher } from 'undici';
import type { PatchType } from '../api/machinery/patch/media-types.ts';
import type { ListMeta } from '../api/types/meta/v1.gen.ts';
import type { Query, Selection } from './resource.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which the request fails; the whole response may take WHOLE_ANSWER times as long. */
  readonly timeoutMs?: number;
  /** How often a request is sent that the server wants later; default: as client-go. */
  readonly maxAttempts?: number;
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

export interface ListCallOptions extends CallOptions, Selection {
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** Requests PartialObjectMetadata instead of whole objects. */
  readonly metadataOnly?: boolean;
}

export interface KubeList<T> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ListMeta;
  readonly items: T[];
}

export interface PatchOptions extends WriteOptions {
  /** Default: merge. */
  readonly type?: PatchType | 'apply';
  readonly subresource?: string;
  /** Server-side apply: take over fields from other managers. */
  readonly force?: boolean;
}

export interface DeleteCallOptions extends CallOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  /** Preconditions: the delete fails with Conflict when the object has another uid or resourceVersion. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface WatchOptions extends Selection {
  readonly signal?: AbortSignal;
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  /** When the server ends the watch; the client closes it WATCH_MARGIN_MS later if it does not. */
  readonly timeoutSeconds?: number;
  readonly metadataOnly?: boolean;
  /** Milliseconds without a byte after which the watch fails; no limit when absent. */
  readonly silenceLimitMs?: number;
}

export interface RawOptions extends CallOptions {
  readonly query?: Query;
  readonly headers?: Record<string, string>;
  /** Strings and Buffers are sent as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: string;
}

/** A request, when its answer begins; `code` is undefined when there was no valid answer. */
export interface ObservedCall {
  readonly method: string;
  readonly code: number | undefined;
  readonly ms: number;
}
