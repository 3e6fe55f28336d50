import { atomic, int32, int64, intOrString, oneOf, pointer, string, struct, type Static } from '../machinery/schema.ts';
import { stopSignal } from './stop-signal.ts';

export const ExecAction = struct(
  'io.k8s.api.core.v1.ExecAction',
  {},
  {
    command: atomic(string()),
  },
);
export type ExecAction = Static<typeof ExecAction>;

export const HTTPHeader = struct(
  'io.k8s.api.core.v1.HTTPHeader',
  {
    name: string(),
    value: string(),
  },
  {},
);
export type HTTPHeader = Static<typeof HTTPHeader>;

export const HTTPGetAction = struct(
  'io.k8s.api.core.v1.HTTPGetAction',
  {
    port: intOrString(),
  },
  {
    host: string(),
    httpHeaders: atomic(HTTPHeader),
    path: string(),
    scheme: oneOf('HTTP', 'HTTPS'),
  },
);
export type HTTPGetAction = Static<typeof HTTPGetAction>;

export const SleepAction = struct(
  'io.k8s.api.core.v1.SleepAction',
  {
    seconds: int64(),
  },
  {},
);
export type SleepAction = Static<typeof SleepAction>;

export const TCPSocketAction = struct(
  'io.k8s.api.core.v1.TCPSocketAction',
  {
    port: intOrString(),
  },
  {
    host: string(),
  },
);
export type TCPSocketAction = Static<typeof TCPSocketAction>;

export const LifecycleHandler = struct(
  'io.k8s.api.core.v1.LifecycleHandler',
  {},
  {
    exec: ExecAction,
    httpGet: HTTPGetAction,
    sleep: SleepAction,
    tcpSocket: TCPSocketAction,
  },
);
export type LifecycleHandler = Static<typeof LifecycleHandler>;

export const Lifecycle = struct(
  'io.k8s.api.core.v1.Lifecycle',
  {},
  {
    postStart: LifecycleHandler,
    preStop: LifecycleHandler,
    stopSignal: stopSignal(),
  },
);
export type Lifecycle = Static<typeof Lifecycle>;

export const GRPCAction = struct(
  'io.k8s.api.core.v1.GRPCAction',
  {
    port: int32(),
  },
  {
    service: pointer(string()),
  },
);
export type GRPCAction = Static<typeof GRPCAction>;

export const Probe = struct(
  'io.k8s.api.core.v1.Probe',
  {},
  {
    exec: ExecAction,
    failureThreshold: int32(),
    grpc: GRPCAction,
    httpGet: HTTPGetAction,
    initialDelaySeconds: int32(),
    periodSeconds: int32(),
    successThreshold: int32(),
    tcpSocket: TCPSocketAction,
    terminationGracePeriodSeconds: pointer(int64()),
    timeoutSeconds: int32(),
  },
);
export type Probe = Static<typeof Probe>;
