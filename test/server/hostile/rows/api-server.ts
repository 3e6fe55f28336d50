/** The tables that the api-server is attacked with, by subject. A new one gets its line here. */
import type { HostileBytes, HostileRequest } from '../table.ts';
import { JSON_BODIES, PROTOBUF_BODIES, YAML_BODIES } from './bodies.ts';
import { CREDENTIALS, IMPERSONATION } from './credentials.ts';
import { METHODS } from './methods.ts';
import { NEGOTIATION } from './negotiation.ts';
import { NAMES } from './objects.ts';
import { PATCHES } from './patches.ts';
import { PATHS } from './paths.ts';
import { CERTIFICATE_REQUESTS, ESCALATION } from './privileges.ts';
import { PROXIES, SERVICE_VALUES } from './addresses.ts';
import { SUBRESOURCES } from './subresources.ts';
import { WATCHES } from './watches.ts';
import { SELECTORS, TOKENS } from './queries.ts';
import { HTTP1_BYTES, HTTP2_FRAMES, TLS_BYTES } from './wire.ts';

export const API_SERVER_ROWS: Readonly<Record<string, readonly (HostileRequest | HostileBytes)[]>> = {
  methods: METHODS,
  'paths and their encodings': PATHS,
  'continue tokens, versions and limits': TOKENS,
  selectors: SELECTORS,
  credentials: CREDENTIALS,
  impersonation: IMPERSONATION,
  'negotiation and upgrades': NEGOTIATION,
  'JSON bodies': JSON_BODIES,
  'YAML bodies': YAML_BODIES,
  'protobuf bodies': PROTOBUF_BODIES,
  patches: PATCHES,
  'names, keys and values': NAMES,
  subresources: SUBRESOURCES,
  watches: WATCHES,
  'escalation of rights': ESCALATION,
  'certificate requests': CERTIFICATE_REQUESTS,
  'proxies and addresses': PROXIES,
  'values of services': SERVICE_VALUES,
  'bytes over HTTP/1.1': HTTP1_BYTES,
  'frames of HTTP/2': HTTP2_FRAMES,
  'bytes without TLS': TLS_BYTES,
};
