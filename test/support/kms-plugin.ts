/** A plugin of a key management service, version 2, on a real socket: its keys are in memory and can be turned. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import kms from '../../proto/kms-v2.json' with { type: 'json' };
import { NodePlugin } from './node-plugin.ts';

interface Request {
  readonly plaintext?: Buffer;
  readonly ciphertext?: Buffer;
  readonly keyId?: string;
  readonly annotations?: Readonly<Record<string, Buffer>>;
}

export const ANNOTATION = 'version.kms.example.com';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class KmsTestPlugin extends NodePlugin<Request> {
  readonly endpoint: string;
  readonly #socket: string;
  readonly #keys = new Map<string, Buffer>();
  keyId = '';
  /** What its status says. */
  healthz = 'ok';
  version = 'v2';

  constructor(socket: string) {
    super();
    this.#socket = socket;
    this.endpoint = `unix://${socket}`;
    this.turn('key-1');
  }

  /** Encrypts with this key from now on. */
  turn(keyId: string): void {
    this.keyId = keyId;
    this.#keys.set(keyId, this.#keys.get(keyId) ?? randomBytes(32));
  }

  /** What is encrypted with it can be decrypted no more. */
  destroy(keyId: string): void {
    this.#keys.delete(keyId);
  }

  async start(): Promise<void> {
    await this.listen(this.#socket, kms, {
      'v2.KeyManagementService': {
        Status: () => ({ version: this.version, healthz: this.healthz, keyId: this.keyId }),
        Encrypt: ({ plaintext = Buffer.alloc(0) }) => this.#encrypt(plaintext),
        Decrypt: (request) => ({ plaintext: this.decrypt(request) }),
      },
    });
  }

  #encrypt(plaintext: Buffer): object {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.keyId), nonce);
    const ciphertext = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return { ciphertext, keyId: this.keyId, annotations: { [ANNOTATION]: Buffer.from('1') } };
  }

  decrypt({ ciphertext = Buffer.alloc(0), keyId = '', annotations = {} }: Request): Buffer {
    if (annotations[ANNOTATION]?.toString() !== '1') throw new Error('the annotation has not come back');
    const end = ciphertext.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', this.#key(keyId), ciphertext.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(ciphertext.subarray(end));
    return Buffer.concat([decipher.update(ciphertext.subarray(NONCE_BYTES, end)), decipher.final()]);
  }

  #key(keyId: string): Buffer {
    const key = this.#keys.get(keyId);
    if (!key) throw new Error(`no key ${keyId}`);
    return key;
  }
}
