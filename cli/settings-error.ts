/** Invalid usage; the message says what is wrong, where, and how to fix it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}
