/** How clients of etcd are authenticated, and it to them. */
import { isIP } from 'node:net';
import { readFile } from 'node:fs/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { StoreUnavailableError } from '../store.ts';

export interface CredentialFiles {
  /** PEM files; '' for none. Without a CA, those of the system are trusted. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Access {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** An IP address must not be sent as the server's name (RFC 6066, section 3), and grpc-js has no way to send none. */
const NAME_FOR_ADDRESSES = 'etcd';

export interface CredentialTexts {
  /** PEM; null for none. */
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
  /** Where they come from, for messages. */
  readonly origin: string;
}

/**
 * Returns how a member is accessed by its URL. Throws StoreUnavailableError when the files cannot be used, the error of the file
 * system when one cannot be read.
 */
export async function readCredentials({
  caFile,
  certFile,
  keyFile,
}: CredentialFiles): Promise<(url: string) => Access> {
  const read = async (file: string): Promise<Buffer | null> => (file ? readFile(file) : null);
  const [ca, key, cert] = await Promise.all([read(caFile), read(keyFile), read(certFile)]);
  return credentialsOf({ ca, key, cert, origin: [caFile, certFile, keyFile].filter(Boolean).join(', ') });
}

/** The same of what has been read. What is returned throws StoreUnavailableError when it cannot be used. */
export function credentialsOf({ ca, cert, key, origin }: CredentialTexts): (url: string) => Access {
  return (url) => {
    const { protocol, hostname } = new URL(url);
    if (protocol === 'http:') return { credentials: credentials.createInsecure(), options: {} };
    const host = hostname.replace(/^\[|\]$/g, '');
    try {
      const verify = { checkServerIdentity: (_: string, peer: PeerCertificate) => checkServerIdentity(host, peer) };
      const options = isIP(host) ? { 'grpc.ssl_target_name_override': NAME_FOR_ADDRESSES } : {};
      return { credentials: credentials.createSsl(ca, key, cert, verify), options };
    } catch (error) {
      throw new StoreUnavailableError(`etcd's credentials in ${origin} cannot be used: ${(error as Error).message}`);
    }
  };
}
