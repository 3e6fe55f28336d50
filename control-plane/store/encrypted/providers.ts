/** The ciphers of upstream's providers, with its layout of what is stored: `k8s:enc:PROVIDER:v1:KEY:` and bytes. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

export interface Cipher {
  /** @param context where the value is stored: one that has been copied to another place is not decrypted, where the cipher can tell */
  encrypt(plain: Buffer, context: Buffer): Buffer;
  /** Throws an Error for what has not been encrypted with this key, or has been changed. */
  decrypt(stored: Buffer, context: Buffer): Buffer;
}

interface Provider {
  /** Lengths that a key may have. */
  readonly keyBytes: readonly number[];
  readonly open: (key: Buffer) => Cipher;
}

const AES_KEYS = [16, 24, 32];
const GCM_NONCE_BYTES = 12;
const GCM_TAG_BYTES = 16;
const BLOCK_BYTES = 16;
const SALSA_NONCE_BYTES = 24;

const tooShort = (): Error => new Error('the stored data was shorter than the required size');

function aesgcm(key: Buffer): Cipher {
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm';
  return {
    encrypt: (plain, context) => {
      const nonce = randomBytes(GCM_NONCE_BYTES);
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(context);
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt: (stored, context) => {
      if (stored.length < GCM_NONCE_BYTES + GCM_TAG_BYTES) throw tooShort();
      const end = stored.length - GCM_TAG_BYTES;
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, GCM_NONCE_BYTES), {
        authTagLength: GCM_TAG_BYTES,
      });
      decipher.setAAD(context).setAuthTag(stored.subarray(end));
      return Buffer.concat([decipher.update(stored.subarray(GCM_NONCE_BYTES, end)), decipher.final()]);
    },
  };
}

function aescbc(key: Buffer): Cipher {
  const algorithm = `aes-${key.length * 8}-cbc`;
  return {
    encrypt: (plain) => {
      const iv = randomBytes(BLOCK_BYTES);
      const cipher = createCipheriv(algorithm, key, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
    decrypt: (stored) => {
      if (stored.length < 2 * BLOCK_BYTES) throw tooShort();
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, BLOCK_BYTES));
      return Buffer.concat([decipher.update(stored.subarray(BLOCK_BYTES)), decipher.final()]);
    },
  };
}

function secretbox(key: Buffer): Cipher {
  return {
    encrypt: (plain) => {
      const nonce = randomBytes(SALSA_NONCE_BYTES);
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(plain)]);
    },
    decrypt: (stored) => {
      if (stored.length < SALSA_NONCE_BYTES) throw tooShort();
      const nonce = stored.subarray(0, SALSA_NONCE_BYTES);
      return Buffer.from(xsalsa20poly1305(key, nonce).decrypt(stored.subarray(SALSA_NONCE_BYTES)));
    },
  };
}

export type KeyedProvider = 'aesgcm' | 'aescbc' | 'secretbox';

export const PROVIDERS: ReadonlyMap<KeyedProvider, Provider> = new Map<KeyedProvider, Provider>([
  ['aesgcm', { keyBytes: AES_KEYS, open: aesgcm }],
  ['aescbc', { keyBytes: AES_KEYS, open: aescbc }],
  ['secretbox', { keyBytes: [32], open: secretbox }],
]);
