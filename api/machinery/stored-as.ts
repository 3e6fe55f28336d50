import { decodeObject } from './decode.ts';
import type { Kind, KubeObject, StoredAs } from './kind.ts';

/** Defines the stored version of a kind, with conversions between the types of the two versions. */
export const storedAs = <T extends KubeObject, S extends KubeObject>(
  kind: Kind<S>,
  conversion: { toStored(object: T): S; fromStored(stored: S): T; readonly fields: StoredAs<T>['fields'] },
): StoredAs<T> => ({
  kind,
  // Decoding adds the fields that are always serialized.
  toStored: (object) => decodeObject(kind, conversion.toStored(object)).object,
  // Stored objects are of the stored version.
  fromStored: (stored) => conversion.fromStored(stored as S),
  fields: conversion.fields,
});

/** The version of a kind whose cache holds the objects: itself, unless it is a view of another one. */
export const cachedKind = (kind: Kind): Kind => kind.storedAs?.kind ?? kind.custom?.conversion?.cachedAs ?? kind;
