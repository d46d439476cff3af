/**
 * What a contender brings to a fail-over: a way to take a seat that only one process has, and keep it for as long as the
 * process lives, with renewals if it needs them.
 */

/** A contender is one file that exports `sit`, which resolves when the seat is taken. */
export type Sit = (url: string, seat: string) => Promise<unknown>

/** How long a seat outlives its process, in seconds. */
export const ttl = 2
