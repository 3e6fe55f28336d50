/** Validation of services. */
import { MAX_AFFINITY_SECONDS } from '../../domain/session-affinity.ts';
import { addErrors, type FieldError, duplicate, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateLabels } from '../../machinery/metadata.ts';
import { validateQualifiedName, validateSubdomainName } from '../../machinery/names.ts';
import { validatePortReference } from './probe-validation.ts';
import {
  validateClusterIPs,
  validateExternalIPs,
  validateFamilies,
  validateSourceRanges,
} from './service-address-validation.ts';
import { isExternallyAccessible, isHeadless, needsClusterIP, needsHealthCheckPort } from './service-rules.ts';
import type { Service, ServicePort, ServiceSpec } from '../../types/core/v1.gen.ts';

const KUBELET_PORT = 10_250;

function validatePort(port: ServicePort, needsName: boolean, path: string, errors: FieldError[]): void {
  if (!port.name && needsName) errors.push(required(`${path}.name`));
  validatePortReference(port.targetPort ?? 0, `${path}.targetPort`, errors);
}

function validatePorts(spec: ServiceSpec, errors: FieldError[]): void {
  const ports = spec.ports ?? [];
  if (!ports.length && !isHeadless(spec) && spec.type !== 'ExternalName') errors.push(required('spec.ports'));
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    validatePort(port, ports.length > 1, at, errors);
    if (port.name) {
      if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    const number = `${port.protocol}/${port.port}`;
    if (numbers.has(number)) errors.push(duplicate(at, { protocol: port.protocol, port: port.port }));
    numbers.add(number);
    if (port.nodePort) {
      if (spec.type === 'ClusterIP' || spec.type === 'ExternalName') {
        errors.push(forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${spec.type}'`));
      }
      const nodePort = `${port.protocol}/${port.nodePort}`;
      if (nodePorts.has(nodePort)) errors.push(duplicate(`${at}.nodePort`, port.nodePort));
      nodePorts.add(nodePort);
    }
    if (spec.type === 'LoadBalancer' && port.port === KUBELET_PORT) {
      errors.push(invalid(at, KUBELET_PORT, 'may not expose port 10250 externally since it is used by kubelet'));
    }
  }
}

function validateType(spec: ServiceSpec, errors: FieldError[]): void {
  const { type } = spec;
  if ((type === 'LoadBalancer' || type === 'NodePort') && isHeadless(spec)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`));
  }
  if (type !== 'ExternalName') return;
  const alien = 'may not be set for ExternalName services';
  if (spec.clusterIPs?.length) errors.push(forbidden('spec.clusterIPs', alien));
  if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', alien));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', alien));
  if (!spec.externalName) {
    errors.push(required('spec.externalName'));
    return;
  }
  const name = spec.externalName.replace(/\.$/, '');
  for (const problem of validateSubdomainName(name)) {
    errors.push(invalid('spec.externalName', spec.externalName, problem));
  }
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: ServiceSpec, errors: FieldError[]): void {
  if (sessionAffinity === 'ClientIP') {
    const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
    if (seconds === undefined || seconds <= 0 || seconds > MAX_AFFINITY_SECONDS) {
      errors.push(
        invalid(
          'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
          seconds ?? null,
          `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`,
        ),
      );
    }
  } else if (sessionAffinity === 'None' && sessionAffinityConfig) {
    errors.push(forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None'));
  }
}

function validateTrafficPolicies(spec: ServiceSpec, errors: FieldError[]): void {
  const { externalTrafficPolicy, internalTrafficPolicy, healthCheckNodePort } = spec;
  const path = 'spec.externalTrafficPolicy';
  if (!isExternallyAccessible(spec)) {
    if (externalTrafficPolicy) {
      errors.push(invalid(path, externalTrafficPolicy, 'may only be set for externally-accessible services'));
    }
  } else if (!externalTrafficPolicy) {
    errors.push(required(path));
  }
  if (healthCheckNodePort && !needsHealthCheckPort(spec)) {
    errors.push(
      invalid(
        'spec.healthCheckNodePort',
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  }
  if (internalTrafficPolicy === undefined && needsClusterIP(spec)) {
    errors.push(required('spec.internalTrafficPolicy'));
  }
}

function validateLoadBalancer(spec: ServiceSpec, errors: FieldError[]): void {
  if (spec.type === 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === undefined) errors.push(required('allocateLoadBalancerNodePorts'));
    if (spec.loadBalancerClass !== undefined) {
      for (const problem of validateQualifiedName(spec.loadBalancerClass)) {
        errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass, problem));
      }
    }
    return;
  }
  for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const) {
    if (spec[field] !== undefined) {
      errors.push(forbidden(`spec.${field}`, "may only be used when `type` is 'LoadBalancer'"));
    }
  }
}

/** @param old undefined on create. */
export function validateService(service: Service, old?: Service): FieldError[] {
  const { spec = {} } = service;
  const errors: FieldError[] = [];
  if (needsClusterIP(spec)) {
    addErrors(errors, validateFamilies(spec));
    addErrors(errors, validateClusterIPs(spec, old?.spec));
  }
  validatePorts(spec, errors);
  validateType(spec, errors);
  if (spec.selector) addErrors(errors, validateLabels(spec.selector, 'spec.selector'));
  validateAffinity(spec, errors);
  addErrors(errors, validateExternalIPs(spec, old?.spec));
  validateTrafficPolicies(spec, errors);
  addErrors(errors, validateSourceRanges(service, old));
  validateLoadBalancer(spec, errors);
  return errors;
}

const SECONDARY = { clusterIPs: 'clusterIP', ipFamilies: 'ipFamily' } as const;

/** A value may be added to the one that is there, and the second one released by the policy SingleStack; none may change. */
function changeErrors(spec: ServiceSpec, old: ServiceSpec, field: keyof typeof SECONDARY): FieldError[] {
  const values: readonly string[] = spec[field] ?? [];
  const before: readonly string[] = old[field] ?? [];
  const path = (index: number): string => `spec.${field}[${index}]`;
  const errors: FieldError[] = [];
  if (values.length === 0 && before.length > 0 && field === 'clusterIPs')
    errors.push(invalid(path(0), values, 'primary clusterIP can not be unset'));
  const compared = values.length === before.length ? before : before.slice(0, 1);
  for (const [index, value] of values.slice(0, compared.length).entries())
    if (value !== compared[index]) errors.push(invalid(path(index), values, 'may not change once set'));
  if (values.length === 1 && before.length > 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const detail = `must be set to 'SingleStack' when releasing the secondary ${SECONDARY[field]}`;
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy ?? null, detail));
  }
  return errors;
}

/** The primary cluster IP and its family are immutable while the Service has one; a headless Service may change its families. */
export function validateServiceUpdate({ spec = {} }: Service, { spec: old = {} }: Service): FieldError[] {
  const errors: FieldError[] = [];
  if (needsClusterIP(spec) && needsClusterIP(old)) {
    const [isNow, was] = [isHeadless(spec), isHeadless(old)];
    if (!isNow || !was) addErrors(errors, changeErrors(spec, old, 'clusterIPs'));
    if (!isNow && !was) addErrors(errors, changeErrors(spec, old, 'ipFamilies'));
  }
  if (spec.type === 'LoadBalancer' && old.type === 'LoadBalancer' && spec.loadBalancerClass !== old.loadBalancerClass) {
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? '', 'may not change once set'));
  }
  return errors;
}
