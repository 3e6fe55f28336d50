/** The images that the package carries; a node imports them before it runs its first pod. */
export const PAUSE_IMAGE = 'kedge.local/pause:1.0';
export const HELLO_IMAGE = 'kedge.local/hello:1.0';
