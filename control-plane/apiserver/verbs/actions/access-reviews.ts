/** The reviews of authorization.k8s.io/v1: what a user may do. */
import { badRequest } from '../../../../api/machinery/status-error.ts';
import type { Attributes, Authorizer, RuleResolver } from '../../access/authorization/authorizer.ts';
import { fieldSelectorText, labelSelectorText } from '../../access/authorization/review-selectors.ts';
import type { AdmittedCreate } from '../../admission/pipeline.ts';
import type { User } from '../../http/user.ts';
import type { ActionResult, Handlers } from '../handlers.ts';
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
  const fieldSelector = fieldSelectorText(resourceAttributes.fieldSelector);
  const labelSelector = labelSelectorText(resourceAttributes.labelSelector);
  return {
    ...{ isResource: true, path: '', verb, group, version, resource, subresource, namespace, name },
    ...(fieldSelector && { fieldSelector }),
    ...(labelSelector && { labelSelector }),
  };
}

const subjectOf = ({ user, groups, uid, extra }: SubjectAccessReviewSpec): User => ({
  name: user ?? '',
  groups: groups ?? [],
  uid,
  extra,
});

/** What kubectl's `auth can-i --list` shows. */
function rulesStatus(resolver: RuleResolver, user: User, namespace: string): SubjectRulesReviewStatus {
  const { rules, errors: problems } = resolver.rulesFor(user, namespace);
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

/** The actions of authorization.k8s.io. */
export function accessReviewActions(authorizer: Authorizer & RuleResolver) {
  const decide = async (user: User, asked: Asked): Promise<SubjectAccessReviewStatus> => {
    const { allowed, denied, reason, error } = await authorizer.authorize(user, attributesOf(asked));
    return { allowed, ...(denied && { denied }), ...(reason && { reason }), ...(error && { evaluationError: error }) };
  };
  const answer = (body: object, status: object): ActionResult => ({
    code: CREATED,
    object: { metadata: {}, ...body, ...{ status } },
  });

  // A LocalSubjectAccessReview is one of these whose attributes are in its namespace.
  const reviewSubject = async ({ object }: AdmittedCreate): Promise<ActionResult> => {
    const review = object as SubjectAccessReview | LocalSubjectAccessReview;
    return answer(review, await decide(subjectOf(review.spec), review.spec));
  };

  const reviewSelf = async ({ request, object }: AdmittedCreate): Promise<ActionResult> => {
    const review = object as SelfSubjectAccessReview;
    return answer(review, await decide(request.user, review.spec));
  };

  const reviewRules = ({ request, object }: AdmittedCreate): ActionResult => {
    const review = object as SelfSubjectRulesReview;
    const namespace = review.spec.namespace ?? '';
    if (namespace === '') throw badRequest('no namespace on request');
    // As upstream, the answer does not say what was asked.
    return answer({ ...review, metadata: {}, spec: {} }, rulesStatus(authorizer, request.user, namespace));
  };

  return {
    'subjectaccessreviews.authorization.k8s.io': reviewSubject,
    'localsubjectaccessreviews.authorization.k8s.io': reviewSubject,
    'selfsubjectaccessreviews.authorization.k8s.io': reviewSelf,
    'selfsubjectrulesreviews.authorization.k8s.io': reviewRules,
  } satisfies Partial<Handlers['actions']>;
}
