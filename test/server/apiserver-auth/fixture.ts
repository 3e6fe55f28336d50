/** A real api-server with authentication and authorization over a real store, one per test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { openCore, type ApiCore } from '../../../control-plane/apiserver/core.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { UNRESTRICTED } from '../../../control-plane/apiserver/admission/pod-security/policy.ts';
import type { PodSecurityOptions } from '../../../control-plane/apiserver/admission/pod-security/pod-security.ts';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import { WebhookClient } from '../../../control-plane/apiserver/admission/webhooks/webhook-client.ts';
import type { OutsideAuthentication } from '../../../control-plane/apiserver/access/authentication/outside.ts';
import type { ConfiguredAuthorizers } from '../../../control-plane/apiserver/access/authorization/configured.ts';
import { readBundle } from '../../../control-plane/apiserver/access/issued-by.ts';
import { createSecurity, type Security } from '../../../control-plane/apiserver/security.ts';
import { serve } from '../../../control-plane/apiserver/server.ts';
import type { ClusterPki } from '../../../control-plane/pki/cluster-pki.ts';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { handlersWith } from '../../support/handlers.ts';
import { issueCertificate } from '../../../control-plane/pki/signing.ts';
import { openTestPki } from '../../support/test-pki.ts';

export interface Fixture {
  readonly directory: string;
  readonly pki: ClusterPki;
  readonly core: ApiCore;
  readonly security: Security;
}

export const TOKEN_FILE = 'admin-token,admin,,system:masters\nalice-token,alice,uid-a,"developers,testers"\n';

const UNRESTRICTED_PODS: PodSecurityOptions = {
  defaults: UNRESTRICTED,
  exemptUsernames: [],
  exemptRuntimeClasses: [],
  exemptNamespaces: [],
};

/** Everything below the listener. */
export async function startSecurity(
  t: Test,
  podSecurity: Partial<PodSecurityOptions> = {},
  outside?: OutsideAuthentication,
  authorization?: ConfiguredAuthorizers,
): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), 'kedge-auth-'));
  const stopping = new AbortController();
  const logger = pino({ level: 'silent' });
  const pki = await openTestPki(join(directory, 'pki'));
  const store = await openEmbeddedStore({ path: join(directory, 'store'), logger });
  const core = await openCore({ store, logger, signal: stopping.signal });
  t.teardown(async () => {
    stopping.abort();
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const failures: unknown[] = [];
  const webhooks = new WebhookClient(() => {
    throw new Error('no services here');
  });
  t.teardown(() => webhooks[Symbol.dispose]());
  const security = createSecurity({
    api: core.api,
    pki,
    tokenFile: TOKEN_FILE,
    ...(outside && { outside }),
    ...(authorization && { authorization }),
    allowPrivileged: true,
    enforceOwnerReferences: false,
    podSecurity: { ...UNRESTRICTED_PODS, ...podSecurity },
    webhooks: {
      api: core.api,
      kinds: core.registry.kinds,
      client: webhooks,
      logger,
    },
    admissionMetrics: new AdmissionMetrics(),
    clusterDomain: 'cluster.local',
    onError: (error) => failures.push(error),
  });
  t.teardown(() => {
    if (failures.length > 0) throw new Error('something went wrong in the background', { cause: failures[0] });
  });
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await core.api.create(namespaces, { metadata: { name } });
  }
  await core.api.create(priorityClasses, { metadata: { name: 'system-node-critical' }, value: 2_000_001_000 });
  await security.bootstrap({ alive: [], own: 'https://127.0.0.1:6443' });
  return { directory, pki, core, security };
}

export interface ServedFixture extends Fixture {
  readonly url: string;
  /** A client with these credentials. */
  client(credentials: { token?: string; cert?: string; key?: string }): ApiClient;
}

/** With the listener. */
export async function startServer(
  t: Test,
  podSecurity?: Partial<PodSecurityOptions>,
  outside?: OutsideAuthentication,
  authorization?: ConfiguredAuthorizers,
): Promise<ServedFixture> {
  const fixture = await startSecurity(t, podSecurity, outside, authorization);
  const proxies = outside?.proxyAuthorities ?? [];
  const { pki, core, security } = fixture;
  const server = await serve({
    core,
    authenticators: [security.authenticator],
    authorizer: security.authorizer,
    admission: security.admission,
    handlers: handlersWith({ actions: security.actions }),
    tls: {
      cert: pki.serving.certificate,
      key: pki.serving.key,
      clientCA: [pki.ca.certificate, ...proxies.map(String)].join('\n'),
    },
    ...(proxies.length > 0 && { authorities: { clients: readBundle(pki.ca.certificate), proxies } }),
    address: '127.0.0.1',
    port: 0,
    logger: pino({ level: 'silent' }),
  });
  const url = `https://127.0.0.1:${server.port}`;
  const clients: ApiClient[] = [];
  t.teardown(async () => {
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    await server.close();
  });
  return {
    ...fixture,
    url,
    client: (credentials) => {
      const client = new ApiClient({ server: url, ca: pki.ca.certificate, ...credentials });
      clients.push(client);
      return client;
    },
  };
}

/** A client with the identity of this node. */
export async function nodeClient(fixture: ServedFixture, name: string): Promise<ApiClient> {
  const { certificate: cert, key } = await issueCertificate(fixture.pki.ca, {
    ...{ commonName: `system:node:${name}`, organizations: ['system:nodes'] },
    ...{ usages: ['client auth'], lifetimeMs: 3_600_000, now: Date.now() },
  });
  return fixture.client({ cert, key });
}

/** The Status of a rejected call. */
export async function refusal(call: Promise<unknown> | (() => unknown)): Promise<{ code: number; message: string }> {
  try {
    await (typeof call === 'function' ? call() : call);
  } catch (error) {
    if (error instanceof StatusError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 0, message: 'the call succeeded' };
}

/** Creates objects of one kind, bypassing admission. */
export async function createAll<T extends KubeObject>(core: ApiCore, kind: Kind<T>, ...objects: T[]): Promise<T[]> {
  return Promise.all(objects.map((object) => core.api.create(kind, object)));
}
