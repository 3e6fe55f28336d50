/**
 * Who owns the replicas of an object, as owners of its Scale and back: apimachinery's `ScaleHandler`. A write of the Scale takes the
 * replicas from whoever owned them in the object.
 */
import { difference, FieldSet } from './field-set.ts';
import { managerId, Owner, ownersText, parseOwners, type Owners } from './owners.ts';

/** In the Scale, and in all built-in kinds that have one. */
const REPLICAS = FieldSet.ofPaths(['spec.replicas']);
const PATH = ['f:spec', 'f:replicas'];

/** @param owners of the object @param apiVersion of the object */
export function ownersOfScale(owners: string, apiVersion: string, scaleVersion: string): string {
  const ofScale: Owners = new Map();
  for (const [id, owner] of parseOwners(owners)) {
    if (owner.apiVersion !== apiVersion || !owner.fields.has(PATH)) continue;
    ofScale.set(id, new Owner({ ...managerOf(owner), apiVersion: scaleVersion }, owner.time, REPLICAS));
  }
  return ownersText(ofScale);
}

/** @param owners of the object @param ofScale of the Scale after the write @param apiVersion of the object */
export function ownersWithScale(owners: string, ofScale: string, apiVersion: string): string {
  const result: Owners = new Map();
  // In both, a manager is the one that it was in the object's version.
  const claims = new Map(
    [...parseOwners(ofScale).values()].map((owner) => {
      // As upstream, without a time.
      const claim = new Owner({ ...managerOf(owner), apiVersion }, undefined, REPLICAS);
      return [managerId(claim), { claim, has: owner.fields.has(PATH) }];
    }),
  );
  for (const [id, owner] of parseOwners(owners)) {
    if (!owner.fields.has(PATH)) {
      result.set(id, owner);
    } else if (claims.has(id)) {
      result.set(id, owner);
      claims.delete(id);
    } else {
      const fields = difference(owner.fields, REPLICAS);
      if (!fields.isEmpty) result.set(id, owner.with(fields));
    }
  }
  for (const [id, { claim, has }] of claims) if (has) result.set(id, claim);
  return ownersText(result);
}

const managerOf = ({ manager, operation, subresource }: Owner) => ({ manager, operation, subresource });
