import type { Headers } from "../Deadline.ts"

/** Milliseconds of one of gRPC's units. */
const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

/** A time as gRPC writes it: eight digits at most, and a unit. */
export const toGrpc = (millis: number): string => {
  const whole = Math.floor(millis)
  return whole < 1e8 ? `${whole}m` : `${Math.min(Math.floor(whole / 1000), 99_999_999)}S`
}

const fromGrpc = (value: string): number | undefined => {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? []
  const size = units[unit ?? ""]
  return digits === undefined || size === undefined ? undefined : Number(digits) * size
}

const fromMillis = (value: string): number | undefined => /^\d{1,15}$/.test(value) ? Number(value) : undefined

const readers = [["heddle-timeout", fromMillis], ["grpc-timeout", fromGrpc]] as const

/** The milliseconds that headers give, `Infinity` if none does, or the one that holds no time. */
export const readHeaders = (headers: Headers): number | { readonly header: string; readonly value: string } => {
  let least = Infinity
  for (const [header, read] of readers) {
    const found = headers[header]
    const values = found === undefined ? [] : typeof found === "string" ? [found] : found
    for (const value of values) {
      const millis = read(value)
      if (millis === undefined) return { header, value }
      least = Math.min(least, millis)
    }
  }
  return least
}
