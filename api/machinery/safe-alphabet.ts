/** Letters and digits that spell no words: upstream's `k8s.io/apimachinery/pkg/util/rand`. */
export const SAFE_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
