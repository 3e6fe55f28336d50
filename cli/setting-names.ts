/** How a setting is spelled where the user gives it. */

/** `nodeName` -> `node-name`: how it is written as a flag and in YAML. */
export const kebab = (name: string): string => name.replace(/[A-Z]+/g, (capitals) => `-${capitals.toLowerCase()}`);
/** `nodeName` -> `KEDGE_NODE_NAME`. */
export const environmentKey = (name: string): string => `KEDGE_${kebab(name).replaceAll('-', '_').toUpperCase()}`;
