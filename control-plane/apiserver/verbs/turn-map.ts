/** What has been made in this turn of the event loop, for whoever else wants the same: forgotten when the turn ends. */
export class TurnMap<K, V> {
  readonly #values = new Map<K, V>();

  getOrMake(key: K, make: () => V): V {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (this.#values.size === 0) setImmediate(() => this.#values.clear());
    const made = make();
    this.#values.set(key, made);
    return made;
  }
}
