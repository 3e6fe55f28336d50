/** Spelling of setting names in flags, YAML and the environment. */

/** `nodeName` -> `node-name`: the flag and the YAML key. */
export const kebab = (name: string): string => name.replace(/[A-Z]+/g, (capitals) => `-${capitals.toLowerCase()}`);
/** `nodeName` -> `KEDGE_NODE_NAME`. */
export const environmentKey = (name: string): string => `KEDGE_${kebab(name).replaceAll('-', '_').toUpperCase()}`;
