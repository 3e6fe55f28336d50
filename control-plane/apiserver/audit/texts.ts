/** Parts of events that are the same in many: they become text once. */
import type { AuditedUser } from '../http/request-audit.ts';

/** Characters of a user agent that are kept, as upstream. */
const MAX_USER_AGENT = 1024;
/** Clients that are known at a time. */
const MAX_CLIENTS = 1000;

export class EventTexts {
  readonly #clients = new Map<string, string>();
  /** The user of a connection, and of a token that is cached, is the same object in each request. */
  readonly #users = new WeakMap<AuditedUser, string>();
  #timeMs = 0;
  #timeText = '';

  /** As authentication.k8s.io/v1 UserInfo. */
  user(user: AuditedUser): string {
    const known = this.#users.get(user);
    if (known !== undefined) return known;
    const { name, uid, groups, extra } = user;
    const text = JSON.stringify({
      ...(name && { username: name }),
      ...(uid && { uid }),
      ...(groups.length > 0 && { groups }),
      ...(extra && Object.keys(extra).length > 0 && { extra }),
    });
    this.#users.set(user, text);
    return text;
  }

  /** The fields `sourceIPs` and `userAgent`, each with a comma in front. */
  client(addresses: readonly string[], agent: string): string {
    const key = addresses.length === 1 ? `${addresses[0]} ${agent}` : `${addresses.join()} ${agent}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const shown = agent.length > MAX_USER_AGENT ? `${agent.slice(0, MAX_USER_AGENT)}...TRUNCATED` : agent;
    const text =
      (addresses.length > 0 ? `,"sourceIPs":${JSON.stringify(addresses)}` : '') +
      (shown ? `,"userAgent":${JSON.stringify(shown)}` : '');
    // Whoever changes its user agent with each request gains nothing, and takes no more memory than this.
    if (this.#clients.size >= MAX_CLIENTS) this.#clients.clear();
    if (key.length <= MAX_USER_AGENT) this.#clients.set(key, text);
    return text;
  }

  /** RFC 3339 with microseconds, as upstream's MicroTime; the clock has milliseconds. */
  time(ms: number): string {
    if (ms !== this.#timeMs) {
      this.#timeMs = ms;
      this.#timeText = `${new Date(ms).toISOString().slice(0, -1)}000Z`;
    }
    return this.#timeText;
  }
}
