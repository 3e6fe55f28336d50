/** Where an S3-compatible store is, and who we are there: a file of YAML, since a secret is in it. */
import { loadConfiguration, parseConfiguration } from '../../../daemon/configuration-file.ts';
import { SettingValueError } from '../../../daemon/setting-rules.ts';
import { readConfigurationFile } from '../../../daemon/configuration-file.ts';
import type { Credentials } from './sigv4.ts';

export interface S3Settings extends Credentials {
  /** `https://s3.example.com:9000`, without a path. */
  readonly endpoint: URL;
  /** PEM of the CA of its certificate; the CAs that Node.js carries when undefined. */
  readonly ca: string | undefined;
}

const KEYS = ['endpoint', 'region', 'access-key-id', 'secret-access-key', 'ca-file'];

/** Throws SettingValueError, which names no secret. */
export function loadS3Settings(file: string): Promise<S3Settings> {
  return loadConfiguration(file, 'settings of S3', async (text) => {
    const { value, problems } = parseConfiguration(text, 'settings of S3');
    const unknown = Object.keys(value).find((key) => !KEYS.includes(key));
    if (problems.length > 0 || unknown !== undefined)
      throw new SettingValueError(
        problems[0] ?? `unknown setting ${JSON.stringify(unknown)}; there are ${KEYS.join(', ')}`,
      );
    const fields = new Map(Object.entries(value));
    const textOf = (key: string): string => {
      const given = fields.get(key);
      // What is signed and sent as a header has to be one.
      if (typeof given === 'string' && /^[\x21-\x7e]+$/.test(given)) return given;
      throw new SettingValueError(`${key} must be a string without spaces`);
    };
    const endpoint = textOf('endpoint');
    const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.hash || url.username)
      throw new SettingValueError(
        `endpoint must be a URL such as https://s3.example.com, not ${JSON.stringify(endpoint)}`,
      );
    const caFile = fields.has('ca-file') ? textOf('ca-file') : undefined;
    const ca = caFile === undefined ? undefined : (await readConfigurationFile(caFile, `ca-file ${caFile}`)).toString();
    return {
      endpoint: url,
      region: fields.has('region') ? textOf('region') : 'us-east-1',
      accessKeyId: textOf('access-key-id'),
      secretAccessKey: textOf('secret-access-key'),
      ca,
    };
  });
}
