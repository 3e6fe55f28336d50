/** What an operator has to know before and after a step of a rotation. Pure. */
import { IpAddress } from '../../api/domain/address.ts';
import { NODE_CLIENT_CA } from '../../api/domain/node-annotations.ts';
import { own } from '../../api/machinery/own.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import type { RotationStep } from './ca-rotation.ts';

/** More would be no sentence. */
const NAMED = 5;

/**
 * Why the CA before cannot be dropped yet, in a sentence that names the nodes; undefined when every node has a certificate of the present
 * one. What a node says of itself is believed: one that lies locks out itself.
 * @param caHash of the CA that signs
 */
export function nodesBehind(nodes: readonly Node[], caHash: string): string | undefined {
  const behind: string[] = [];
  const silent: string[] = [];
  for (const { metadata } of nodes) {
    const issuer = own(metadata?.annotations, NODE_CLIENT_CA);
    if (issuer === undefined || issuer === '') silent.push(metadata?.name ?? '');
    else if (issuer !== caHash) behind.push(metadata?.name ?? '');
  }
  if (behind.length + silent.length === 0) return undefined;
  const parts = [
    ...(behind.length > 0 ? [`${listed(behind)} still ${has(behind)} a certificate of the CA before`] : []),
    ...(silent.length > 0
      ? [
          `${listed(silent)} ${does(silent)} not say of which CA ${silent.length === 1 ? 'its certificate' : 'theirs'} is`,
        ]
      : []),
  ];
  return parts.join(', and ');
}

const has = ({ length }: readonly string[]): string => (length === 1 ? 'has' : 'have');
const does = ({ length }: readonly string[]): string => (length === 1 ? 'does' : 'do');

function listed(names: readonly string[]): string {
  const shown = names.toSorted().slice(0, NAMED).join(', ');
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.length === 1 ? 'node' : 'nodes'} ${shown}${more}`;
}

/** The files that other servers of the cluster need after a step that is not done on each of them. */
const COPIED: ReadonlyMap<RotationStep, readonly string[]> = new Map([
  ['ca', ['ca.crt', 'ca.key', 'ca-previous.crt', 'ca-cross.crt']],
  [
    'front-proxy-ca',
    ['front-proxy-ca.crt', 'front-proxy-ca.key', 'front-proxy-ca-previous.crt', 'front-proxy-ca-cross.crt'],
  ],
  ['etcd-ca', ['etcd-ca.crt', 'etcd-ca.key', 'etcd-ca-previous.crt', 'etcd-ca-cross.crt']],
  ['next-service-account-key', ['sa-next.key']],
]);
const ONE_BY_ONE: ReadonlySet<RotationStep> = new Set([
  'drop-ca',
  'drop-front-proxy-ca',
  'drop-etcd-ca',
  'service-account-key',
  'drop-service-account-key',
]);

/**
 * The commands that bring the other servers of the cluster up to date after a step on this one, in their order; empty when there is nothing to
 * do. @param directory the PKI folder, which is thought to be the same on all of them @param addresses of the other servers
 */
export function commandsForOthers(step: RotationStep, directory: string, addresses: readonly string[]): string[] {
  const others = addresses.flatMap((text) => IpAddress.parse(text) ?? []);
  const copied = COPIED.get(step);
  if (copied !== undefined)
    return others.flatMap(({ text, family }) => [
      `scp -p ${copied.map((name) => quoted(`${directory}/${name}`)).join(' ')} root@${family === 'IPv6' ? `[${text}]` : text}:${quoted(`${directory}/`)}`,
      // etcd reads the CAs that it trusts when it starts, and has its certificates made then.
      `ssh root@${text} systemctl restart ${step === 'etcd-ca' ? 'kedge-etcd ' : ''}kedge-server`,
    ]);
  if (!ONE_BY_ONE.has(step)) return [];
  return others.map(({ text }) => `ssh root@${text} kedge certs rotate --${step}`);
}

/** For a shell. */
const quoted = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
