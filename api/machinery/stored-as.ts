import { decodeObject } from './decode.ts';
import type { Kind, KubeObject, StoredAs } from './kind.ts';

/** The way from one version of a kind to the one that is stored, and back, of conversions between their types. */
export const storedAs = <T extends KubeObject, S extends KubeObject>(
  kind: Kind<S>,
  conversion: { toStored(object: T): S; fromStored(stored: S): T; readonly fields: StoredAs<T>['fields'] },
): StoredAs<T> => ({
  kind,
  // Decoding completes what the version always has.
  toStored: (object) => decodeObject(kind, conversion.toStored(object)).object,
  // What is stored is of the stored kind.
  fromStored: (stored) => conversion.fromStored(stored as S),
  fields: conversion.fields,
});
