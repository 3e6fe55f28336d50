/** Texts with variables, as the proxy's formats write them: https://docs.haproxy.org/2.6/configuration.html#8.2.4 */
import type { TextTemplate, TextVariable } from '../annotations/template.ts';
import { literal } from './text.ts';

const VARIABLES: Readonly<Record<TextVariable, string>> = {
  scheme: '%[var(txn.scheme)]',
  host: '%[var(txn.host)]',
  request_uri: '%[pathq]',
  escaped_request_uri: '%[pathq,url_enc]',
  uri: '%[path]',
  args: '%[query]',
  remote_addr: '%[src]',
  server_port: '%[var(txn.bound)]',
};

/** A format string of a template. A capture is what `replace-path` puts there. */
export function formatOf(template: TextTemplate): string {
  return template
    .map((part) => {
      if (typeof part === 'string') return literal(part);
      return 'capture' in part ? `\\${part.capture}` : VARIABLES[part.variable];
    })
    .join('');
}
