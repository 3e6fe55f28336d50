/** The addresses of hollow nodes, which no host has: those for benchmarks, https://www.rfc-editor.org/rfc/rfc2544 */
import { IpAddress } from '../../api/domain/address.ts';

const FIRST = (198n << 24n) | (18n << 16n);
/** 198.18.0.0/15 without its first and last address. */
export const MAX_HOLLOW_NODES = 2 ** 17 - 2;

/** @param index from 0, below MAX_HOLLOW_NODES. */
export const hollowAddress = (index: number): string => IpAddress.of('IPv4', FIRST + BigInt(index) + 1n).text;
