/** Validation of how a CustomResourceDefinition's versions are converted. Upstream's `validateCustomResourceConversion`. */
import { X509Certificate } from 'node:crypto';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import type { CustomResourceConversion, CustomResourceDefinition } from '../../types/apiextensions/v1.gen.ts';
import {
  isCallable,
  validateClientConfig,
  validateReviewVersions,
} from '../admissionregistration/webhook-client-validation.ts';

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some(({ type, status: state }) => type === 'Established' && state === 'True') ?? false;

/** Upstream validates its internal form, in which the fields of `webhook` stand beside the strategy. */
export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  if (!conversion) return [];
  const { strategy, webhook } = conversion;
  const { clientConfig, conversionReviewVersions } = webhook ?? {};
  // A required list that is absent is decoded as null.
  const versions = conversionReviewVersions ?? [];
  const path = 'spec.conversion';
  const errors: FieldError[] = [];
  if (!strategy) errors.push(required(`${path}.strategy`));
  else if (strategy !== 'None' && strategy !== 'Webhook')
    errors.push(notSupported(`${path}.strategy`, strategy, ['None', 'Webhook']));
  if (strategy === 'Webhook') {
    if (clientConfig) addErrors(errors, validateClientConfig(clientConfig, `${path}.webhookClientConfig`));
    else errors.push(required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook'));
    const { caBundle } = clientConfig ?? {};
    if (caBundle && !mayHaveInvalidBundle(old))
      addErrors(errors, bundleErrors(caBundle, `${path}.webhookClientConfig.caBundle`));
    addErrors(errors, validateConversionVersions(versions, `${path}.conversionReviewVersions`, old?.spec.conversion));
    return errors;
  }
  const why = 'should not be set when strategy is not set to Webhook';
  if (clientConfig) errors.push(forbidden(`${path}.webhookClientConfig`, why));
  if (versions.length > 0) errors.push(forbidden(`${path}.conversionReviewVersions`, why));
  return errors;
}

/** Versions that were unknown before may stay so. */
function validateConversionVersions(
  versions: readonly string[],
  path: string,
  old: CustomResourceConversion | undefined,
): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const before = old?.webhook?.conversionReviewVersions ?? [];
  return validateReviewVersions(versions, path, before.length > 0 && !isCallable(before));
}

/** As long as nobody is served by it, or it was invalid before. */
function mayHaveInvalidBundle(old: CustomResourceDefinition | undefined): boolean {
  if (!old || !isEstablished(old)) return true;
  return hasInvalidBundle(old);
}

/** Whether nothing could be converted: upstream's establishing controller serves nobody by such a definition. */
export function hasInvalidBundle({ spec }: CustomResourceDefinition): boolean {
  const { caBundle } = spec.conversion?.webhook?.clientConfig ?? {};
  return caBundle ? bundleErrors(caBundle, '').length > 0 : false;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g;

/** In the words of client-go's `TLSConfigFor`. */
function bundleErrors(caBundle: string, path: string): FieldError[] {
  const problem = (why: string): FieldError[] => [invalid(path, caBundle, `unable to load root certificates: ${why}`)];
  const pem = Buffer.from(caBundle, 'base64').toString('latin1');
  if (!pem.includes('-----BEGIN ')) return problem('unable to parse bytes as PEM block');
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0) return problem('no valid certificate authority data seen');
  return blocks.some(isCertificate) ? [] : problem('failed to parse certificate: x509: malformed certificate');
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== '';
  } catch {
    return false;
  }
}
