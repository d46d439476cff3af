import type { LeaseBackend } from "heddle/coordination"
import { createHash } from "node:crypto"

/** How a lock is held. */
export type Mode = "exclusive" | "shared"

/** How many permits a read-write lock has: as good as no limit. */
const all = 2 ** 31 - 1

/** How the claim holds its lock; undefined where an advisory lock cannot arbitrate it. */
export const modeOf = ({ limit, permits }: LeaseBackend.Claim): Mode | undefined => {
  if (limit === 1 || (limit === all && permits === all)) return "exclusive"
  return limit === all && permits === 1 ? "shared" : undefined
}

/** The permits that `inspect` shows for a lock that another process holds or waits for. */
export const permitsOf = (mode: Mode): number => mode === "shared" ? 1 : all

/** The number under which the server knows the resource: the first 8 bytes of a SHA-256 digest, as a signed number. */
export const numberOf = (schema: string, resource: string): bigint =>
  createHash("sha256").update(schema).update("\0").update(resource).digest().readBigInt64BE()

/** A number as `pg_locks` shows it, in halves. */
export const halvesOf = (number: bigint): readonly [high: bigint, low: bigint] => [
  BigInt.asUintN(32, number >> 32n),
  BigInt.asUintN(32, number)
]

const steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]

/**
 * For how long (ms) a session may be silent that holds a lease of this ttl: the next of ten lengths in each power of ten, so
 * that leases with like ttls share a session.
 */
export const silenceOf = (ttl: number): number => {
  const power = 10 ** Math.floor(Math.log10(ttl))
  return Math.ceil((steps.find((step) => step * power >= ttl) ?? 10) * power)
}
