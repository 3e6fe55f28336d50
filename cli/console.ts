/** `kedge console token`: a bearer token to log in to the web console with (docs/console.md). */
import { Command } from 'commander';
import { namespaces } from '../api/kinds/core/namespace.ts';
import { serviceAccounts } from '../api/kinds/core/service-account.ts';
import { clusterRoleBindings } from '../api/kinds/rbac/cluster-role-binding.ts';
import { roleBindings } from '../api/kinds/rbac/role-binding.ts';
import { parseDuration } from '../api/machinery/duration.ts';
import type { Kind, KubeObject } from '../api/machinery/kind.ts';
import { validateSubdomainName } from '../api/machinery/names.ts';
import { isAlreadyExists } from '../api/machinery/status-error.ts';
import type { TokenRequest } from '../api/types/authentication/v1.gen.ts';
import type { ApiClient } from '../client/api-client.ts';
import { KUBECONFIG_HELP, openCluster } from './cluster-access.ts';
import { UsageError } from './usage.ts';
import { remark, print } from './output.ts';

/** The console's users who have no other identity are service accounts of this namespace. */
const NAMESPACE = 'kedge-console';
const ADMINISTRATOR = { user: 'admin', role: 'cluster-admin' };
/** The shortest that TokenRequest has. */
const MIN_TTL_MS = 600_000;
const RBAC = 'rbac.authorization.k8s.io';

interface TokenOptions {
  readonly kubeconfig?: string;
  readonly user?: string;
  readonly role?: string;
  readonly namespace?: string;
  readonly ttl: string;
}

export const consoleCommand = (): Command =>
  new Command('console')
    .description('the web console of the cluster')
    .addCommand(
      new Command('token')
        .description(
          `print a token to log in to the web console with: of a ServiceAccount in ${NAMESPACE}, which is made if it is missing; without --user, the administrator's`,
        )
        .option('--user <name>', 'name of the ServiceAccount')
        .option('--role <name>', 'ClusterRole to bind to the user, such as view, edit or admin')
        .option('--namespace <name>', 'bind the role in this namespace only')
        .option('--ttl <duration>', 'lifetime of the token, at least 10m', '12h')
        .option('--kubeconfig <file>', KUBECONFIG_HELP)
        .action(token),
    );

async function token({ kubeconfig, user, role, namespace, ttl }: TokenOptions): Promise<void> {
  const ms = parseDuration(ttl);
  if (ms === undefined || ms < MIN_TTL_MS)
    throw new UsageError(`--ttl must be a duration of at least 10m, such as 12h, not "${ttl}"`);
  if (namespace !== undefined && role === undefined) throw new UsageError('--namespace requires --role');
  const name = user ?? ADMINISTRATOR.user;
  const problems = validateSubdomainName(name);
  if (problems.length > 0) throw new UsageError(`--user must be the name of a ServiceAccount: ${problems.join('; ')}`);
  await using cluster = await openCluster(kubeconfig);
  const { client } = cluster;
  await make(client, namespaces, { metadata: { name: NAMESPACE } });
  const isNew = await make(client, serviceAccounts, { metadata: { name, namespace: NAMESPACE } });
  const bound = role ?? (user === undefined ? ADMINISTRATOR.role : undefined);
  if (bound !== undefined) await bind(client, name, bound, namespace);
  else if (isNew)
    remark(
      `${name} is new and may do nothing yet: run this with --role view, edit or admin, or bind a role to system:serviceaccount:${NAMESPACE}:${name}`,
    );
  const request: TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [], expirationSeconds: Math.floor(ms / 1000) },
  };
  const { status } = await client.createSubresource<TokenRequest>(serviceAccounts, NAMESPACE, name, 'token', request);
  print(status?.token ?? '');
}

async function bind(client: ApiClient, user: string, role: string, namespace: string | undefined): Promise<void> {
  const binding = {
    metadata: { name: `${NAMESPACE}:${user}:${role}`, ...(namespace !== undefined && { namespace }) },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'ServiceAccount', name: user, namespace: NAMESPACE }],
  };
  if (namespace === undefined) await make(client, clusterRoleBindings, binding);
  else await make(client, roleBindings, binding);
}

/** Whether it was not there. */
async function make<T extends KubeObject>(client: ApiClient, kind: Kind<T>, object: T): Promise<boolean> {
  try {
    await client.create(kind, object);
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    throw error;
  }
}
