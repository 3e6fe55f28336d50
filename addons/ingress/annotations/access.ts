/** Annotations that keep requests away: networks, limits, passwords, client certificates. */
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import { flag, localObject, oneOf, plainText, size, sources, wholeNumber } from './values.ts';

const MOST_REQUESTS = 1_000_000;
const MOST_BURST = 100;

export const ACCESS: readonly Annotation[] = [
  ...['whitelist-source-range', 'allowlist-source-range'].map((name): Annotation => ({
    name,
    does: 'only clients of these networks are served, others get 403',
    example: '10.0.0.0/8,192.0.2.7',
    guards: true,
    read: (value) => ({ allowedSources: sources(value) }),
  })),
  {
    name: 'denylist-source-range',
    does: 'clients of these networks get 403',
    example: '203.0.113.0/24',
    guards: true,
    read: (value) => ({ deniedSources: sources(value) }),
  },
  {
    name: 'limit-rps',
    does: 'requests a second of one client, with a burst of limit-burst-multiplier times as many; more get 503',
    differs: 'the rate is measured over as many seconds as the multiplier says; every node counts on its own, as there',
    example: '10',
    guards: true,
    read: (value) => ({ limitRps: wholeNumber(1, MOST_REQUESTS)(value) }),
  },
  {
    name: 'limit-rpm',
    does: 'requests a minute of one client, with a burst as limit-rps',
    differs: 'the rate is measured over as many minutes as the multiplier says',
    example: '100',
    guards: true,
    read: (value) => ({ limitRpm: wholeNumber(1, MOST_REQUESTS)(value) }),
  },
  {
    name: 'limit-burst-multiplier',
    does: 'the burst of limit-rps and limit-rpm, as a multiple of the rate; 5 unless it says otherwise',
    example: '3',
    guards: true,
    read: (value) => ({ limitBurst: wholeNumber(1, MOST_BURST)(value) }),
  },
  {
    name: 'limit-connections',
    does: 'requests of one client at the same time; more get 503',
    example: '5',
    guards: true,
    read: (value) => ({ limitConnections: wholeNumber(1, MOST_REQUESTS)(value) }),
  },
  {
    name: 'limit-whitelist',
    does: 'clients of these networks are not limited',
    example: '10.0.0.0/8',
    read: (value) => ({ limitExempt: sources(value) }),
  },
  {
    name: 'proxy-body-size',
    does: 'a request with a longer body gets 413; 1m unless it says otherwise, 0 for no limit',
    differs: 'by Content-Length: a body whose length is not announced is not measured',
    example: '8m',
    read: (value) => ({ bodySize: size(value) }),
  },
  {
    name: 'auth-type',
    does: 'asks for a name and password (basic)',
    differs: 'digest is refused',
    example: 'basic',
    guards: true,
    read: (value) => ({ authType: oneOf('basic')(value) }),
  },
  {
    name: 'auth-secret',
    does: 'the Secret of names and passwords, of the namespace of the Ingress: crypt(3) hashes (bcrypt, SHA-256, SHA-512)',
    differs:
      "Apache's own hashes ($apr1$, {SHA}) are not known: make them with htpasswd -B. Whoever has such a one cannot log in",
    example: 'users',
    guards: true,
    read: (value, { namespace }) => ({ authSecret: localObject(value, namespace) }),
  },
  {
    name: 'auth-secret-type',
    does: 'auth-file: a file of htpasswd under the key auth; auth-map: a hash per key',
    example: 'auth-map',
    guards: true,
    read: (value) => ({ authSecretType: oneOf('auth-file', 'auth-map')(value) }),
  },
  {
    name: 'auth-realm',
    does: 'the realm that the client is told',
    example: 'Staff only',
    read: (value) => ({ authRealm: plainText(value) }),
  },
  {
    name: 'auth-tls-secret',
    does: 'clients show a certificate of the CA in this Secret (key ca.crt), of the namespace of the Ingress',
    differs: 'a request over HTTP, or for another host than the connection was made for, gets 403 or 421',
    example: 'client-ca',
    guards: true,
    read: (value, { namespace }) => ({ clientCa: localObject(value, namespace) }),
  },
  {
    name: 'auth-tls-verify-client',
    does: 'on: without a valid certificate 403; optional: one that is shown has to be valid; off',
    differs: 'optional_no_ca is refused; what is missing is answered with 403 instead of 400',
    example: 'optional',
    guards: true,
    read: (value) => ({ clientVerify: oneOf('on', 'optional', 'off')(value) }),
  },
  {
    name: 'auth-tls-verify-depth',
    does: 'how many certificates may be between: 1',
    differs: "OpenSSL's own limit is used: any depth is accepted here, and chains are verified to the CA",
    example: '1',
    read: (value) => {
      wholeNumber(0, MOST_BURST)(value);
      return {};
    },
  },
  {
    name: 'auth-tls-pass-certificate-to-upstream',
    does: 'passes the certificate on, as ssl-client-cert (URL-encoded PEM there; base64 of DER here)',
    differs: 'ssl-client-verify and ssl-client-subject-dn are set as there; the certificate is base64 of DER',
    example: 'true',
    read: (value) => ({ clientCertificateHeader: flag(value) }),
  },
  {
    name: 'auth-tls-match-cn',
    does: 'refused',
    example: '',
    guards: true,
    read: () => {
      throw new AnnotationError('is not supported');
    },
  },
];
