/** gRPC's codes: the number of a code is its place, from 1 on. 0 is OK. */
export const codeNames = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
] as const

export const numberOf = (code: (typeof codeNames)[number]): number => codeNames.indexOf(code) + 1

/** A number that gRPC does not know is UNKNOWN. */
export const codeOf = (number: number): (typeof codeNames)[number] => codeNames[number - 1] ?? "UNKNOWN"

/** As metrics and spans name it. */
export const nameOf = (number: number): string => number === 0 ? "OK" : codeOf(number)
