import type { Action, Operation, Result } from "../Linearizable.ts"
import type { Counterexample } from "./counterexample.ts"
import { type Register, unread } from "./register.ts"

const mostOpen = 6

/** Tells a counter-example line by line. */
export const explain = (
  key: string,
  { before, context, operations }: Counterexample<Register, Operation>
): string => {
  const start = Math.min(...[...context, ...operations].map((one) => one.invoked))
  const line = (one: Operation): string =>
    `    ${span(one, start).padEnd(24)} client ${one.client}: ${asked(one.action)} -> ${answered(one)}`
  const certain = operations.filter((one) => one.returned < Infinity)
  const open = operations.filter((one) => one.returned === Infinity).sort((one, other) => other.invoked - one.invoked)
  return [
    `key ${JSON.stringify(key)}: no order of these operations explains what they answered`,
    ...(context.length > 0 ? ["  the last ones that an order explains:", ...context.map(line)] : []),
    `  which leaves the key ${before.map(told).join(", or ")}; then:`,
    ...certain.map(line),
    ...(open.length > 0
      ? ["  and, at any time after they were asked or never:", ...open.slice(0, mostOpen).map(line)]
      : []),
    ...(open.length > mostOpen ? [`    and ${open.length - mostOpen} more without an answer`] : [])
  ].join("\n")
}

const span = ({ invoked, returned }: Operation, start: number): string => {
  const millis = (instant: number) => (instant - start).toFixed(2)
  return returned === Infinity ? `from ${millis(invoked)} ms` : `${millis(invoked)} to ${millis(returned)} ms`
}

const condition = (expected: bigint | undefined): string =>
  expected === undefined ? "" : expected === 0n ? " if absent" : ` if at revision ${expected}`

const asked = (action: Action): string => {
  switch (action._tag) {
    case "Get":
      return "get"
    case "Put":
      return `put ${JSON.stringify(action.value)}${condition(action.expected)}`
    case "Delete":
      return `delete${condition(action.expected)}`
    case "Expire":
      return `expiry of ${JSON.stringify(action.value)}`
    case "Check":
      return `check${condition(action.expected)}`
  }
}

const answered = ({ result }: { readonly result: Result }): string => {
  switch (result._tag) {
    case "Found":
      return `${JSON.stringify(result.value)} at revision ${result.revision}`
    case "Absent":
      return "absent"
    case "Done":
      return result.revision === undefined ? "done" : `done at revision ${result.revision}`
    case "Conflict":
      return result.actual === 0n ? "conflict: it is absent" : `conflict: it is at revision ${result.actual}`
    case "Unknown":
      return "no answer"
  }
}

const told = ({ floor, revision, value }: Register): string =>
  value === undefined
    ? "absent"
    : `with ${value === unread ? value : JSON.stringify(value)} at ${
      revision === undefined ? `a revision above ${floor}` : `revision ${revision}`
    }`
