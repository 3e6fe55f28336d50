/** A container does not get its devices; the message is for its pod's status. */
export class DeviceRefusal extends Error {
  override readonly name = 'DeviceRefusal';
}
