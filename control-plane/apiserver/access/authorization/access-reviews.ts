/** The reviews of authorization.k8s.io/v1: what a user may do, asked through the API. */
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { badRequest, invalidObject } from '../../../../api/machinery/status-error.ts';
import { localSubjectAccessReviews } from '../../../../api/kinds/authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from '../../../../api/kinds/authorization/self-subject-access-review.ts';
import { subjectAccessReviews } from '../../../../api/kinds/authorization/subject-access-review.ts';
import type { Action, ActionAnswer, ActionRequest } from '../../http/action.ts';
import { nodeNameOf, type User } from '../../http/user.ts';
import { placeObject } from '../../catalogue/object-meta.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import type { RbacAuthorizer } from './rbac-authorizer.ts';
import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
} from '../../../../api/types/authorization/v1.gen.ts';

const CREATED = 201;

interface Asked {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
}

/** The text of a field selector, given as text or as requirements. */
function fieldSelectorText({ fieldSelector }: ResourceAttributes): string {
  if (fieldSelector?.rawSelector) return fieldSelector.rawSelector;
  return (fieldSelector?.requirements ?? [])
    .filter(({ operator, values }) => operator === 'In' && values?.length === 1)
    .map(({ key, values }) => `${key}=${values?.[0] ?? ''}`)
    .join(',');
}

function attributesOf({ resourceAttributes, nonResourceAttributes }: Asked): Attributes {
  const nothing = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  if (!resourceAttributes) {
    const { path = '', verb = '' } = nonResourceAttributes ?? {};
    return { ...nothing, isResource: false, path, verb };
  }
  const {
    verb = '',
    group = '',
    version = '',
    resource = '',
    subresource = '',
    namespace = '',
    name = '',
  } = resourceAttributes;
  const fieldSelector = fieldSelectorText(resourceAttributes);
  return {
    ...{ isResource: true, path: '', verb, group, version, resource, subresource, namespace, name },
    ...(fieldSelector && { fieldSelector }),
  };
}

function throwIfInvalid(kind: Kind, review: KubeObject): void {
  const errors = kind.validate(review);
  if (errors.length > 0) throw invalidObject(kind, '', errors);
}

const subjectOf = ({ user, groups, uid, extra }: SubjectAccessReviewSpec): User => ({
  name: user ?? '',
  groups: groups ?? [],
  uid,
  extra,
});

/** What kubectl's `auth can-i --list` shows. Nodes' rules depend on their pods and cannot be listed. */
function rulesStatus(rbac: RbacAuthorizer, user: User, namespace: string): SubjectRulesReviewStatus {
  const { rules, errors } = rbac.rulesFor(user, namespace);
  const isNode = nodeNameOf(user) !== undefined;
  const problems = [...errors, ...(isNode ? ['node authorizer does not support user rule resolution'] : [])];
  return {
    resourceRules: rules
      .filter((rule) => rule.resources?.length)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({ verbs, apiGroups, resources, resourceNames })),
    nonResourceRules: rules
      .filter((rule) => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: problems.length > 0,
    ...(problems.length > 0 && { evaluationError: problems.join(', ') }),
  };
}

/** The actions of authorization.k8s.io, keyed as `Actions` wants them. */
export function accessReviewActions(authorizer: Authorizer, rbac: RbacAuthorizer): Map<string, Action> {
  const decide = (user: User, asked: Asked): SubjectAccessReviewStatus => {
    const { allowed, reason } = authorizer.authorize(user, attributesOf(asked));
    return { allowed, ...(reason && { reason }) };
  };
  const answer = (body: object, status: object): ActionAnswer => ({
    code: CREATED,
    object: { metadata: {}, ...body, ...{ status } },
  });

  const reviewSubject = (request: ActionRequest): ActionAnswer => {
    const review = request.body as SubjectAccessReview;
    throwIfInvalid(subjectAccessReviews, review);
    return answer(review, decide(subjectOf(review.spec), review.spec));
  };

  const reviewLocally = (request: ActionRequest): ActionAnswer => {
    const review = request.body as LocalSubjectAccessReview;
    const { spec } = review;
    placeObject(localSubjectAccessReviews, review, request.info.namespace, '');
    throwIfInvalid(localSubjectAccessReviews, review);
    return answer(review, decide(subjectOf(spec), spec));
  };

  const reviewSelf = (request: ActionRequest): ActionAnswer => {
    const review = request.body as SelfSubjectAccessReview;
    throwIfInvalid(selfSubjectAccessReviews, review);
    return answer(review, decide(request.user, review.spec));
  };

  const reviewRules = (request: ActionRequest): ActionAnswer => {
    const review = request.body as SelfSubjectRulesReview;
    const namespace = review.spec.namespace ?? '';
    if (namespace === '') throw badRequest('no namespace on request');
    return answer(review, rulesStatus(rbac, request.user, namespace));
  };

  return new Map<string, Action>([
    ['subjectaccessreviews.authorization.k8s.io', reviewSubject],
    ['localsubjectaccessreviews.authorization.k8s.io', reviewLocally],
    ['selfsubjectaccessreviews.authorization.k8s.io', reviewSelf],
    ['selfsubjectrulesreviews.authorization.k8s.io', reviewRules],
  ]);
}
