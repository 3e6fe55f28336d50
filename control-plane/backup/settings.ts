/** Settings of the backups that the server makes by itself. */
import { scheduleProblem } from '../../api/kinds/batch/cron-schedule.ts';
import { integerFrom, type SettingRules } from '../../daemon/setting-rules.ts';
import { destinationProblem } from './destinations/open-destination.ts';

export const backupDefaults = {
  backupSchedule: '',
  backupDestination: '/var/backups/kedge',
  backupRetention: 7,
  backupKeyFile: '',
  backupPassphraseFile: '',
  backupS3Config: '',
};

export type BackupSettings = Readonly<typeof backupDefaults>;

export const backupHelp: Readonly<Record<keyof BackupSettings, string>> = {
  backupSchedule:
    'when the server saves a backup by itself, as a CronJob has it: "0 3 * * *", in UTC unless TZ=ZONE is in front (docs/backup.md); never when empty',
  backupDestination: 'directory of the backups, or s3://BUCKET/PREFIX',
  backupRetention: 'how many backups of this cluster are kept there',
  backupKeyFile:
    'file of the key that backups are encrypted with: 32 bytes, as they are or in base64. Without it or the next one they are not, and hold the keys of the cluster',
  backupPassphraseFile: 'file of a passphrase to encrypt them with instead',
  backupS3Config: 'YAML file of endpoint, region, access-key-id, secret-access-key and ca-file, for s3://',
};

export const backupRules: SettingRules<BackupSettings> = {
  backupSchedule: (schedule) => {
    const problem = schedule === '' ? undefined : scheduleProblem(schedule);
    return problem && `is no schedule: ${problem}`;
  },
  backupDestination: (text, { backupS3Config, backupSchedule }) =>
    destinationProblem(text, backupSchedule === '' ? 'unused' : backupS3Config),
  backupRetention: integerFrom(1, 10_000),
  backupPassphraseFile: (file, { backupKeyFile }) =>
    file !== '' && backupKeyFile !== '' ? 'must be empty, since backup-key-file is set' : undefined,
};
