import * as History from "../History.ts"

/** One stay inside a section; instants in nanoseconds of the machine's monotonic clock. */
export interface Visit {
  readonly entered: bigint
  readonly left: bigint
  readonly token: bigint
}

/** Where two were inside at once, or entered with no higher token. */
export const violations = (visits: ReadonlyArray<Visit>): ReadonlyArray<string> => {
  const events = visits.flatMap(({ entered, left, token }, index): ReadonlyArray<History.Event> => {
    const visitor = { process: "", actor: `${index}`, key: "section" }
    return [{ ...visitor, kind: "enter", at: entered, token }, { ...visitor, kind: "leave", at: left }]
  })
  return History.check(events).map((violation) => violation.message)
}
