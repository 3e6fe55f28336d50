/** The parser of certificate requests, compared with openssl. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { promisify } from 'node:util';
import t from 'tap';
import { certificateRequest } from '../../../agent/join/certificate-request.ts';
import {
  CertificateRequestError,
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { opensslRequest } from '../../support/openssl-request.ts';

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const pemOf = (request: string): string => Buffer.from(request, 'base64').toString('latin1');
const requestOf = (organization: string, commonName: string): string => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return certificateRequest({ organization, commonName }, publicKey, privateKey);
};

function objection(pem: string): string {
  try {
    parseCertificateRequest(base64(pem));
  } catch (error) {
    if (error instanceof CertificateRequestError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** As openssl prints them; undefined when it rejects the request. */
async function opensslView(pem: string): Promise<Pick<CertificateRequest, 'commonName' | 'organizations'> | undefined> {
  const openssl = promisify(execFile)('openssl', [
    'req',
    '-noout',
    '-verify',
    '-subject',
    '-nameopt',
    'multiline,utf8',
  ]);
  openssl.child.stdin?.end(pem, 'latin1');
  try {
    const { stdout } = await openssl;
    const values = (field: string): string[] =>
      [...stdout.matchAll(new RegExp(`^ *${field} *= (.*)$`, 'gm'))].map(([, value = '']) => value);
    return { commonName: values('commonName')[0] ?? '', organizations: values('organizationName') };
  } catch {
    return undefined;
  }
}

t.test('parses the requests that openssl creates', async (t) => {
  const request = await opensslRequest(
    '-subj',
    '/O=system:nodes/CN=system:node:n1',
    '-addext',
    'subjectAltName=DNS:n1,IP:192.0.2.1,IP:2001:db8:0:0::1,email:a@b.c',
  );
  t.match(parseCertificateRequest(request), {
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    dnsNames: ['n1'],
    ipAddresses: ['192.0.2.1', '2001:db8::1'],
    otherNames: 1,
  });
});

t.test('accepts signatures by RSA, ECDSA and Ed25519 keys', async (t) => {
  const openssl = async (...key: string[]): Promise<string> => {
    const options = ['req', '-new', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=carol', ...key];
    return (await promisify(execFile)('openssl', options)).stdout;
  };
  t.equal(objection(await openssl('-newkey', 'rsa:2048')), 'accepted');
  t.equal(objection(await openssl('-newkey', 'rsa:2048', '-sha512')), 'accepted');
  t.equal(objection(await openssl('-newkey', 'ed25519')), 'accepted');
  t.equal(objection(await openssl('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1', '-sha384')), 'accepted');
  t.match(objection(await openssl('-newkey', 'rsa:2048', '-sha1')), /signature algorithm .* is not supported/);
});

t.test('rejects PEM that other parsers could read differently', async (t) => {
  const harmless = requestOf('testers', 'carol');
  const root = requestOf('system:masters', 'root');
  const one = /must be a single PEM block without headers, and nothing around it/;
  const label = /PEM block type must be CERTIFICATE REQUEST/;
  t.equal(objection(harmless), 'accepted');
  t.equal(objection(harmless.replaceAll('\n', '\r\n')), 'accepted', 'CRLF line endings');
  t.equal(objection(harmless.trimEnd()), 'accepted', 'no newline at the end');
  t.match(objection(harmless + root), one, 'two requests');
  t.match(objection(`${harmless}more`), one, 'trailing text');
  t.match(objection(`text\n${harmless}`), label, 'leading text');
  t.match(objection(`\n${harmless}`), label, 'leading empty line');
  t.match(objection(harmless.replace('\n', '\nProc-Type: 4,CLEAR\n\n')), one, 'a header');
  t.match(objection(harmless.replaceAll('CERTIFICATE', 'NEW CERTIFICATE')), label, 'legacy label');
  t.match(objection(harmless.replace('END CERTIFICATE', 'END NEW CERTIFICATE')), one, 'mismatched labels');
  t.match(objection(root.replaceAll('CERTIFICATE REQUEST', 'X') + harmless), label, 'leading block with another label');
  t.match(objection('-----BEGIN nothing'), label);
  t.match(objection(''), label);
});

t.test('rejects DER with trailing or ambiguous content', async (t) => {
  const harmless = requestOf('testers', 'carol');
  const der = Buffer.from(harmless.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const wrap = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  t.equal(objection(wrap(der)), 'accepted');
  t.match(objection(wrap(Buffer.concat([der, der]))), /malformed: trailing data/);
  t.match(objection(wrap(Buffer.concat([der, Buffer.of(5, 0)]))), /malformed: trailing data/);
  t.match(objection(wrap(der.subarray(0, -1))), /malformed: truncated element/);
  const forged = Buffer.from(der);
  forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1);
  t.match(objection(wrap(forged)), /is not signed by the key that it carries/);
  t.match(objection(wrap(der).replace('-----\n', '-----\n====')), /not base64/);

  const subject = async (text: string): Promise<string> => objection(pemOf(await opensslRequest('-subj', text)));
  t.match(await subject('/CN=carol/CN=system:admin'), /one common name only/);
  t.match(await subject('/O=a\nO = system:masters/CN=carol'), /control character in the subject/);
  t.equal(await subject('/O=a+OU=b/CN=carol'), 'accepted');
});

t.test('mutated requests are rejected, or openssl reads the same subject', async (t) => {
  const seeds = [requestOf('testers', 'carol'), requestOf('system:masters', 'root')];
  // A generator of its own, so that failures can be reproduced.
  let state = 20_260_101;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const insertions = [
    '\n',
    ' ',
    'Proc-Type: 4,ENCRYPTED\n',
    '-----BEGIN X-----\n',
    '=',
    'A',
    ...seeds,
    '-----END X-----\n',
  ];
  const mutate = (pem: string): string => {
    const lines = pem.split('\n');
    const at = below(lines.length);
    switch (below(6)) {
      case 0:
        return (
          pem.slice(0, below(pem.length)) + (insertions[below(insertions.length)] ?? '') + pem.slice(below(pem.length))
        );
      case 1:
        return [...lines.slice(0, at), insertions[below(insertions.length)], ...lines.slice(at)].join('\n');
      case 2:
        return [...lines.slice(0, at), ...lines.slice(at + 1)].join('\n');
      case 3:
        return [...lines.slice(0, at), lines[at], ...lines.slice(at)].join('\n');
      case 4:
        return `${pem}${seeds[below(seeds.length)] ?? ''}`;
      default: {
        const index = below(pem.length);
        return pem.slice(0, index) + String.fromCharCode(32 + below(95)) + pem.slice(index + 1);
      }
    }
  };
  let accepted = 0;
  for (let round = 0; round < 300; round++) {
    // Every tenth stays unchanged, so that some are accepted.
    let pem = seeds[round % seeds.length] ?? '';
    for (let times = round % 10 === 0 ? 0 : 1 + below(2); times > 0; times--) pem = mutate(pem);
    if (objection(pem) !== 'accepted') continue;
    accepted++;
    const { commonName, organizations } = parseCertificateRequest(base64(pem));
    t.same(await opensslView(pem), { commonName, organizations }, `round ${round}: ${JSON.stringify(pem)}`);
  }
  t.ok(accepted >= 30, `${accepted} were accepted`);
});

t.test('reports why the request of a CertificateSigningRequest is invalid', async (t) => {
  const harmless = requestOf('testers', 'carol');
  const errors = (pem: string, signerName = 'example.com/signer') =>
    certificateSigningRequests.validate({
      metadata: { name: 'csr' },
      spec: { request: base64(pem), signerName, usages: ['client auth'] },
    });
  t.same(errors(harmless), []);
  t.match(errors(harmless + harmless), [
    { type: 'FieldValueInvalid', field: 'spec.request', message: /single PEM block/ },
  ]);
  t.match(errors(harmless, 'kubernetes.io/legacy-unknown'), [
    { field: 'spec.signerName', message: /the legacy signerName is not allowed via this API version/ },
  ]);
});

t.test('the name of a CertificateSigningRequest may be any path segment, as kubelets use', (t) => {
  t.same(certificateSigningRequests.validateName('node-csr-Japb3zjo9OcOdVV_x', false), []);
  t.same(certificateSigningRequests.validateName('csr:with:colons', false), []);
  t.match(certificateSigningRequests.validateName('a/b', false), [/may not contain '\/'/]);
  t.end();
});
