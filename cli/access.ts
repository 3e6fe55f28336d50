import { Command } from 'commander';
import { isJsonObject } from '../api/machinery/own.ts';
import type { KubeObject } from '../api/machinery/kind.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { clusterRoleBindings } from '../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../api/kinds/rbac/role-binding.ts';
import { roles } from '../api/kinds/rbac/role.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { Resource } from '../client/resource.ts';
import { KUBECONFIG_HELP, openCluster } from './cluster-access.ts';
import { suggestion } from './nearest.ts';
import { table } from './node/table.ts';
import { remark, print, printJson, printable } from './output.ts';
import { SettingsError } from './settings.ts';
import { UsageError } from './usage.ts';
import { whoCan, type AccessObjects, type Holder, type Question } from './who-can.ts';

interface Options {
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly subresource?: string;
  readonly output?: string;
}

/** A resource that the cluster serves. */
interface Served {
  readonly group: string;
  readonly plural: string;
  readonly names: readonly string[];
  readonly isNamespaced: boolean;
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const DEFAULT_NAMESPACE = 'default';

const listOf = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isJsonObject) : [];
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

async function servedIn(client: ApiClient, path: string): Promise<Served[]> {
  const { body } = await client.request('GET', path, { accept: AGGREGATED });
  const document: unknown = JSON.parse(body);
  return listOf(isJsonObject(document) ? document['items'] : []).flatMap(({ metadata, versions }) => {
    const group = isJsonObject(metadata) ? textOf(metadata['name']) : '';
    return listOf(versions).flatMap(({ resources }) =>
      listOf(resources).map((resource) => {
        const plural = textOf(resource['resource']);
        const shortNames = Array.isArray(resource['shortNames']) ? resource['shortNames'].map(textOf) : [];
        const kind = isJsonObject(resource['responseKind']) ? textOf(resource['responseKind']['kind']) : '';
        const names = [plural, textOf(resource['singularResource']), kind.toLowerCase(), ...shortNames];
        return { group, plural, names, isNamespaced: resource['scope'] === 'Namespaced' };
      }),
    );
  });
}

/** What a text such as `deploy` or `widgets.example.com` names. What the cluster does not serve can be in rules, too. Throws SettingsError. */
async function resolve(client: ApiClient, text: string): Promise<Served> {
  const served = [...(await servedIn(client, '/api')), ...(await servedIn(client, '/apis'))];
  const [name = '', ...groups] = text.toLowerCase().split('.');
  const group = groups.join('.');
  const found = served.find((one) => one.names.includes(name) && (groups.length === 0 || one.group === group));
  if (found) return found;
  if (name === '*' || groups.length > 0)
    return { group: name === '*' && groups.length === 0 ? '*' : group, plural: name, names: [], isNamespaced: true };
  const hint = suggestion(
    name,
    served.map(({ plural }) => plural),
  );
  throw new SettingsError(
    `the cluster has no resource ${JSON.stringify(text)}${hint || '; NAME.GROUP names one that it does not serve'}`,
  );
}

/** What could not be read, with the caller's rights, is left out, and named. */
class Reader {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly unread: string[] = [];
  #firstFailure: StatusError | undefined;
  #read = 0;

  constructor(client: ApiClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async #list<T extends KubeObject>(resource: Resource<T>, namespaced: boolean): Promise<T[]> {
    try {
      const found = await this.#client.listAll(resource, namespaced ? { namespace: this.#namespace } : {});
      this.#read++;
      return found;
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 403) throw error;
      this.#firstFailure ??= error;
      this.unread.push(namespaced ? `${resource.plural} in ${this.#namespace}` : resource.plural);
      return [];
    }
  }

  /** Rejects with the StatusError of the first list when nothing at all may be read. */
  async all(): Promise<AccessObjects> {
    const inNamespace = this.#namespace !== '';
    const objects = {
      clusterRoles: await this.#list(clusterRoles, false),
      clusterRoleBindings: await this.#list(clusterRoleBindings, false),
      roles: inNamespace ? await this.#list(roles, true) : [],
      roleBindings: inNamespace ? await this.#list(roleBindings, true) : [],
    };
    if (this.#read === 0 && this.#firstFailure) throw this.#firstFailure;
    return objects;
  }
}

async function questionOf(
  client: ApiClient,
  [verb, what, name = '']: readonly [string, string, string?],
  { namespace, allNamespaces, subresource }: Options,
): Promise<Question> {
  if (what.startsWith('/')) {
    if (name || subresource) throw new UsageError('a path has neither a name nor a subresource');
    return { verb, path: what };
  }
  const [resource = '', inPath] = what.split('/');
  if (inPath && subresource) throw new UsageError(`${what} names a subresource already`);
  const { group, plural, isNamespaced } = await resolve(client, resource);
  if (!isNamespaced && namespace !== undefined)
    throw new UsageError(`${plural} are in no namespace: --namespace does not go with them`);
  return {
    ...{ verb, group, resource: plural, subresource: subresource ?? inPath ?? '', name },
    namespace: isNamespaced && !allNamespaces ? (namespace ?? DEFAULT_NAMESPACE) : '',
  };
}

const ofNamespace = (name: string, namespace: string | undefined): string =>
  namespace ? `${namespace}/${name}` : name;

const rowOf = ({ subject, binding, role }: Holder): string[] => [
  subject.kind,
  ofNamespace(subject.name, subject.namespace),
  `${binding.kind}/${ofNamespace(binding.name, binding.namespace)}`,
  `${role.kind}/${ofNamespace(role.name, role.namespace)}`,
];

async function answer(asked: readonly [string, string, string?], options: Options): Promise<void> {
  if (options.output !== undefined && options.output !== 'json')
    throw new UsageError(`--output must be json, not ${JSON.stringify(options.output)}`);
  if (options.namespace !== undefined && options.allNamespaces)
    throw new UsageError('--namespace and --all-namespaces exclude each other');
  await using cluster = await openCluster(options.kubeconfig);
  const question = await questionOf(cluster.client, asked, options);
  const reader = new Reader(cluster.client, question.namespace ?? '');
  const { holders, dangling } = whoCan(question, await reader.all());
  if (options.output === 'json') return printJson({ question, holders, dangling, unread: reader.unread });
  print(holders.length === 0 ? 'nobody, by RBAC' : table(['KIND', 'SUBJECT', 'BY', 'ROLE'], holders.map(rowOf)));
  if (reader.unread.length > 0)
    remark(`there may be others: your rights do not allow to list ${reader.unread.map(printable).join(', ')}`);
  for (const { kind, name } of dangling) remark(`the role of ${kind} ${printable(name)} does not exist`);
}

/** `kedge access`: who may do what. */
export const accessCommand = (): Command =>
  new Command('access').description('say who may do what').addCommand(
    new Command('who-can')
      .description('list the users, groups and ServiceAccounts that RBAC allows something, by which binding and role')
      .argument('<verb>', 'get, list, create, impersonate, ...')
      .argument('<resource>', 'pods, deploy, pods/exec, widgets.example.com, or a path such as /metrics')
      .argument('[name]', 'one object; any when it is left out')
      .option('--kubeconfig <file>', KUBECONFIG_HELP)
      .option('-n, --namespace <name>', `where the object is (default: ${DEFAULT_NAMESPACE})`)
      .option('-A, --all-namespaces', 'in all namespaces at once')
      .option('--subresource <name>', 'log, exec, status, ...')
      .option('-o, --output <format>', 'json')
      .addHelpText(
        'after',
        '\nMembers of system:masters may do everything, whatever RBAC says. The Node authorizer, webhooks and ABAC are not asked (docs/authorization.md).',
      )
      .action((verb: string, resource: string, name: string | undefined, options: Options) =>
        answer([verb, resource, name], options),
      ),
  );
