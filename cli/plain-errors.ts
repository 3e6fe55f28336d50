import { CriError } from '../agent/cri/rpc-error.ts';
import { HostError } from '../agent/host/host-error.ts';
import { ProgramError } from '../agent/host/run.ts';
import { JoinError } from '../agent/join/join-error.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { ConnectionError } from '../client/connection-error.ts';
import { DeadlineError } from '../client/deadline.ts';
import { KubeconfigError } from '../client/kubeconfig.ts';
import { SettingValueError } from '../daemon/setting-rules.ts';
import { BackupError } from '../control-plane/backup/backup-error.ts';
import { TokenFileError } from '../control-plane/apiserver/access/authentication/static-tokens.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { StoreUnavailableError } from '../control-plane/store/store.ts';
import { SettingsError, type Settings } from './settings.ts';
import { RolloutError } from './upgrade-nodes/rollout-error.ts';
import { isSystemError, systemErrorMessage } from './system-error.ts';

/** Errors whose message is all that an operator needs. */
const PLAIN = [
  SettingsError,
  SettingValueError,
  StatusError,
  ConnectionError,
  DeadlineError,
  KubeconfigError,
  ProgramError,
  HostError,
  CriError,
  JoinError,
  PkiError,
  TokenFileError,
  StoreUnavailableError,
  BackupError,
  RolloutError,
];

/**
 * The message to show to the operator for an expected failure; undefined for an unexpected one, which is a bug and is shown
 * with its stack. `settings` are those of the failed daemon.
 */
export function userMessage(error: unknown, settings: Settings = {}): string | undefined {
  if (PLAIN.some((plain) => error instanceof plain)) return (error as Error).message;
  return isSystemError(error) ? systemErrorMessage(error, settings) : undefined;
}
