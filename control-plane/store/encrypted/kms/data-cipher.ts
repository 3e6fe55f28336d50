/** Encrypts values with what a key management service protects: upstream's `aes_extended_nonce.go`. */
import { createHmac, randomBytes } from 'node:crypto';
import { PROVIDERS, type Cipher } from '../providers.ts';
import { AES_GCM_KEY, type SourceType } from './envelope.ts';

export const SEED_BYTES = 32;
const INFO_BYTES = 32;

const aesgcm = (key: Buffer): Cipher => {
  const provider = PROVIDERS.get('aesgcm');
  if (!provider?.keyBytes.includes(key.length)) throw new Error(`invalid key length ${key.length}`);
  return provider.open(key);
};

/** Throws an Error for a secret that cannot be one. @param secret as the plugin has decrypted it */
export function cipherOf(type: SourceType, secret: Buffer): Cipher {
  if (type === AES_GCM_KEY) return aesgcm(secret);
  if (secret.length < SEED_BYTES) throw new Error(`invalid seed length ${secret.length} used for key generation`);
  // HKDF's expand step (RFC 5869, section 2.3) with SHA-256, as far as its first block: as long as a key.
  const keyFor = (info: Buffer): Buffer => createHmac('sha256', secret).update(info).update(Buffer.of(1)).digest();
  return {
    encrypt: (plain, context) => {
      const info = randomBytes(INFO_BYTES);
      return Buffer.concat([info, aesgcm(keyFor(info)).encrypt(plain, context)]);
    },
    decrypt: (stored, context) => {
      if (stored.length < INFO_BYTES) throw new Error('the stored data was shorter than the required size');
      return aesgcm(keyFor(stored.subarray(0, INFO_BYTES))).decrypt(stored.subarray(INFO_BYTES), context);
    },
  };
}
