import t from 'tap';
import { services } from '../../../api/kinds/core/service.ts';
import type { FieldError } from '../../../api/machinery/field-error.ts';
import type { Service, ServiceSpec } from '../../../api/types/core/v1.gen.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);

const balancer = (spec: ServiceSpec, more: Partial<Service> = {}): Service => {
  const service: Service = { ...more, spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec } };
  services.applyDefaults(service);
  return service;
};

t.test('loadBalancerSourceRanges are trimmed before validation', async (t) => {
  const ranges = (...loadBalancerSourceRanges: string[]) =>
    told(services.validate(balancer({ loadBalancerSourceRanges })));
  t.strictSame(ranges('10.0.0.0/8', ' 2001:db8::/32 ', '192.0.2.0/24\n'), []);
  const at = (index: number, value: string, detail: string) =>
    `spec.LoadBalancerSourceRanges[${index}]: Invalid value: "${value}": ${detail}`;
  t.strictSame(ranges('10.0.0.0/008', ' 10.0.0.1/8', '::ffff:10.0.0.0/104', '10.0.0.0', ''), [
    at(0, '10.0.0.0/008', 'must not have leading 0s in IP or prefix length'),
    at(1, '10.0.0.1/8', 'must not have bits set beyond the prefix length'),
    at(2, '::ffff:10.0.0.0/104', 'must not have an IPv4-mapped IPv6 address'),
    at(3, '10.0.0.0', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'),
    at(4, '', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'),
  ]);
  const plain: ServiceSpec = { type: 'ClusterIP', loadBalancerSourceRanges: ['10.0.0.0/8'] };
  t.match(
    told(services.validate(balancer(plain))).join(),
    "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
  );
});

t.test('the source ranges annotation is validated when the field is unset', async (t) => {
  const key = 'service.beta.kubernetes.io/load-balancer-source-ranges';
  const of = (value: string): Service => balancer({}, { metadata: { annotations: { [key]: value } } });
  t.strictSame(told(services.validate(of('10.0.0.0/8, 192.0.2.0/24 '))), []);
  t.strictSame(told(services.validate(of(' '))), []);
  t.match(told(services.validate(of('10.0.0.0/8,x')))[0], /^metadata\.annotations\[.*\]: Invalid value: "x": must be/);
  t.strictSame(told(services.validate(of('x'), of('x'))), [], 'unchanged on update');
});

t.test('external IPs are validated as unambiguous, non-local addresses', async (t) => {
  const externalIPs = (values: string[], old?: Service) =>
    told(services.validate(balancer({ externalIPs: values }), old));
  t.strictSame(externalIPs(['192.0.2.1', '2001:DB8::1']), []);
  t.strictSame(externalIPs(['127.0.0.1', '010.0.0.1', '::ffff:10.0.0.1', ' 10.0.0.1']), [
    'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    'spec.externalIPs[1]: Invalid value: "010.0.0.1": must not have leading 0s',
    'spec.externalIPs[2]: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address',
    'spec.externalIPs[3]: Invalid value: " 10.0.0.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ]);
  t.strictSame(externalIPs(['010.0.0.1'], balancer({ externalIPs: ['010.0.0.1'] })), [], 'unchanged on update');
});

t.test('cluster IPs are validated like external IPs, and per family', async (t) => {
  const clusterIPs = (...values: string[]) =>
    told(services.validate(balancer({ clusterIP: values[0], clusterIPs: values, ipFamilies: ['IPv4'] })));
  t.strictSame(clusterIPs('10.43.0.5'), []);
  t.strictSame(clusterIPs('10.43.0.005'), [
    'spec.clusterIPs[0]: Invalid value: "10.43.0.005": must not have leading 0s',
  ]);
  t.strictSame(clusterIPs('2001:db8::1'), [
    'spec.clusterIPs[0]: Invalid value: "2001:db8::1": expected an IPv4 value as indicated by `ipFamilies[0]`',
  ]);
  t.match(clusterIPs('10.43.0.5', '10.43.0.6').join(), 'may specify no more than one IP for each IP family');
});

t.test('the load balancer status is validated on status updates', async (t) => {
  type Ingress = NonNullable<NonNullable<NonNullable<Service['status']>['loadBalancer']>['ingress']>;
  const withIngress = (ingress: Ingress, spec: ServiceSpec = {}): Service => {
    const service = balancer(spec);
    return { ...service, status: { loadBalancer: { ingress } } };
  };
  const update = (ingress: Ingress, old: Ingress = [], spec: ServiceSpec = {}) =>
    told(updateThrough(services, 'status').validate(withIngress(ingress, spec), withIngress(old, spec)));
  t.strictSame(update([{ ip: '203.0.113.7', ipMode: 'VIP' }, { hostname: 'lb.example.com' }]), []);
  const at = 'status.loadBalancer.ingress[0]';
  t.strictSame(update([{ ip: '203.0.113.7\n', ipMode: 'VIP' }]), [
    `${at}.ip: Invalid value: "203.0.113.7\\n": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
  ]);
  t.strictSame(update([{ ip: '010.0.0.1', ipMode: 'VIP' }], [{ ip: '010.0.0.1', ipMode: 'VIP' }]), [], 'as stored');
  t.strictSame(update([{ ip: '10.0.0.1' }]), [`${at}.ipMode: Required value: must be specified when \`ip\` is set`]);
  t.strictSame(update([{ hostname: 'a', ipMode: 'VIP' }]), [
    `${at}.ipMode: Forbidden: may not be specified when \`ip\` is not set`,
  ]);
  t.strictSame(update([{ ip: '10.0.0.1', ipMode: 'NAT' }]), [
    `${at}.ipMode: Unsupported value: "NAT": supported values: "Proxy", "VIP"`,
  ]);
  t.strictSame(update([{ hostname: '10.0.0.1' }]), [
    `${at}.hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address`,
  ]);
  t.strictSame(update([{ ip: '10.0.0.1', ipMode: 'VIP' }], [], { type: 'NodePort' }), [
    "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
  ]);
});

t.test('the load balancer status is cleared when the type changes', async (t) => {
  const old = balancer({});
  old.status = { loadBalancer: { ingress: [{ ip: '10.0.0.1', ipMode: 'VIP' }] } };
  const next = balancer({ type: 'ClusterIP' });
  services.prepareForUpdate(next, old, CONTEXT);
  t.strictSame(next.status, { loadBalancer: {} });
});

t.test('warns about non-canonical addresses and ineffective fields', async (t) => {
  t.strictSame(services.warnings(balancer({ clusterIP: '10.43.0.5', clusterIPs: ['10.43.0.5'] })), []);
  const stored = {
    externalIPs: ['010.0.0.1', '2001:db8:0::1'],
    loadBalancerSourceRanges: ['10.0.0.0/8 ', '10.0.0.1/08', '2001:db8:0::/32'],
  };
  t.strictSame(services.warnings(balancer(stored)), [
    'spec.externalIPs[0]: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"',
    'spec.externalIPs[1]: IPv6 address "2001:db8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
    'spec.loadBalancerSourceRanges[1]: CIDR value "10.0.0.1/08" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
    'spec.loadBalancerSourceRanges[1]: non-standard CIDR value "10.0.0.1/08" is invalid: use "10.0.0.0/8"',
    'spec.loadBalancerSourceRanges[2]: IPv6 CIDR value "2001:db8:0::/32" should be in RFC 5952 canonical format ("2001:db8::/32")',
  ]);
  const headless = balancer({
    type: 'ClusterIP',
    clusterIP: 'None',
    clusterIPs: ['None'],
    sessionAffinity: 'ClientIP',
  });
  t.strictSame(services.warnings(headless), ['spec.SessionAffinity is ignored for headless services']);
});
