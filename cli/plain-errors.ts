import { ProgramError } from '../agent/host/run.ts';
import { JoinError } from '../agent/join/join-error.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { ConnectionError } from '../client/connection-error.ts';
import { KubeconfigError } from '../client/kubeconfig.ts';
import { TokenFileError } from '../control-plane/apiserver/authentication/static-tokens.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { StoreUnavailableError } from '../control-plane/store/store.ts';
import { SettingsError } from './settings.ts';

const PLAIN = [
  SettingsError,
  StatusError,
  ConnectionError,
  KubeconfigError,
  ProgramError,
  JoinError,
  PkiError,
  TokenFileError,
  StoreUnavailableError,
];

/** Failures of the outside world: the network, the disk, the ports. */
const isSystemError = (error: unknown): boolean =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';

/** Failures that say everything in their one sentence; any other is a defect and shows where it happened. */
export const speaksForItself = (error: unknown): error is Error =>
  PLAIN.some((plain) => error instanceof plain) || isSystemError(error);
