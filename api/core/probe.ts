import { atomic, int32, int64, intOrString, oneOf, pointer, string, struct, type Static } from '../machinery/schema.ts';

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
    stopSignal: oneOf(
      'SIGABRT',
      'SIGALRM',
      'SIGBUS',
      'SIGCHLD',
      'SIGCLD',
      'SIGCONT',
      'SIGFPE',
      'SIGHUP',
      'SIGILL',
      'SIGINT',
      'SIGIO',
      'SIGIOT',
      'SIGKILL',
      'SIGPIPE',
      'SIGPOLL',
      'SIGPROF',
      'SIGPWR',
      'SIGQUIT',
      'SIGRTMAX',
      'SIGRTMAX-1',
      'SIGRTMAX-10',
      'SIGRTMAX-11',
      'SIGRTMAX-12',
      'SIGRTMAX-13',
      'SIGRTMAX-14',
      'SIGRTMAX-2',
      'SIGRTMAX-3',
      'SIGRTMAX-4',
      'SIGRTMAX-5',
      'SIGRTMAX-6',
      'SIGRTMAX-7',
      'SIGRTMAX-8',
      'SIGRTMAX-9',
      'SIGRTMIN',
      'SIGRTMIN+1',
      'SIGRTMIN+10',
      'SIGRTMIN+11',
      'SIGRTMIN+12',
      'SIGRTMIN+13',
      'SIGRTMIN+14',
      'SIGRTMIN+15',
      'SIGRTMIN+2',
      'SIGRTMIN+3',
      'SIGRTMIN+4',
      'SIGRTMIN+5',
      'SIGRTMIN+6',
      'SIGRTMIN+7',
      'SIGRTMIN+8',
      'SIGRTMIN+9',
      'SIGSEGV',
      'SIGSTKFLT',
      'SIGSTOP',
      'SIGSYS',
      'SIGTERM',
      'SIGTRAP',
      'SIGTSTP',
      'SIGTTIN',
      'SIGTTOU',
      'SIGURG',
      'SIGUSR1',
      'SIGUSR2',
      'SIGVTALRM',
      'SIGWINCH',
      'SIGXCPU',
      'SIGXFSZ',
    ),
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
