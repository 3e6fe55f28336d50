/** A value cannot be used. The message is the rest of a sentence that begins with the annotation: "is not a number". */
export class AnnotationError extends Error {
  override readonly name = 'AnnotationError';
}
