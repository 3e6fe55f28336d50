/**
 * A DNS server of one name outside of the cluster, in the network of a node: `dns.test.ts` runs it there. Prints each question.
 * Usage: dns-upstream-inside.ts NAME ADDRESS
 */
import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';

const [name = '', address = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
socket.on('message', (bytes, from) => {
  const { id, questions } = decode(bytes);
  const asked = questions?.[0];
  console.log(`asked for ${asked?.type} ${asked?.name}`);
  const isKnown = asked?.name === name;
  const answers = isKnown && asked.type === 'A' ? [{ type: 'A' as const, name, ttl: 1, data: address }] : [];
  const flags = isKnown ? 0x8180 : 0x8183;
  socket.send(encode({ type: 'response', id, flags, questions, answers }), from.port, from.address);
});
socket.bind(53, '127.0.0.1', () => console.log('serving'));
