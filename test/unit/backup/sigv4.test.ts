/** The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
import t from 'tap';
import { EMPTY_SHA256, encodedPath, sign } from '../../../control-plane/backup/destinations/sigv4.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const COMMON = { now: Date.parse('2013-05-24T00:00:00Z'), bodySha256: EMPTY_SHA256, query: new Map<string, string>() };
const HOST = ['host', 'examplebucket.s3.amazonaws.com'] as const;

for (const [name, request, signature] of [
  [
    'GET of an object',
    { ...COMMON, method: 'GET', path: '/test.txt', headers: new Map([HOST, ['range', 'bytes=0-9'] as const]) },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'PUT of an object, with a character that is to be encoded',
    {
      ...COMMON,
      method: 'PUT',
      path: '/test$file.text',
      headers: new Map([
        HOST,
        ['date', 'Fri, 24 May 2013 00:00:00 GMT'] as const,
        ['x-amz-storage-class', 'REDUCED_REDUNDANCY'] as const,
      ]),
      bodySha256: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'GET with a parameter without a value',
    { ...COMMON, method: 'GET', path: '/', query: new Map([['lifecycle', '']]), headers: new Map([HOST]) },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'LIST of a bucket',
    {
      ...COMMON,
      method: 'GET',
      path: '/',
      query: new Map([
        ['max-keys', '2'],
        ['prefix', 'J'],
      ]),
      headers: new Map([HOST]),
    },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
] as const)
  t.test(name, async (t) => {
    t.match(sign(request, CREDENTIALS).get('authorization'), new RegExp(`Signature=${signature}$`));
  });

t.test('paths are encoded as S3 does', async (t) => {
  t.equal(encodedPath('/bucket/a b/ä(1)*.backup~'), '/bucket/a%20b/%C3%A4%281%29%2A.backup~');
});
