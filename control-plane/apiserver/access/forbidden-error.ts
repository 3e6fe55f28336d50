/** Upstream's 403 of authorization. */
import { forbiddenRequest } from '../../../api/machinery/status-error.ts';
import type { Attributes } from './authorization/authorizer.ts';
import type { User } from '../http/user.ts';

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]);
/** A browser must not take the message for a page. */
const withoutMarkup = (text: string): string => text.replace(/[&<>]/g, (letter) => ENTITIES.get(letter) ?? '');

export function forbiddenError(user: User, attributes: Attributes, reason: string) {
  const who = `User ${JSON.stringify(user.name)} cannot`;
  const why = reason ? `: ${reason}` : '';
  if (!attributes.isResource) {
    const asked = withoutMarkup(`${who} ${attributes.verb} path ${JSON.stringify(attributes.path)}`);
    return forbiddenRequest(`forbidden: ${asked}${why}`);
  }
  const { group, resource, subresource, namespace, name, verb } = attributes;
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = name ? `${qualified} ${JSON.stringify(name)}` : qualified;
  const what = JSON.stringify(subresource ? `${resource}/${subresource}` : resource);
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  const asked = withoutMarkup(`${who} ${verb} resource ${what} in API group ${JSON.stringify(group)} ${where}`);
  return forbiddenRequest(`${subject} is forbidden: ${asked}${why}`, {
    ...(name && { name }),
    ...(group && { group }),
    kind: resource,
  });
}
