import type { Note } from "./jobLedger.ts"

interface Books {
  /** All that were enqueued. Those that begin with `Fail` fail in each attempt, of which they have two. */
  readonly ids: ReadonlyArray<string>
  readonly notes: ReadonlyArray<Note>
  /** The dead letters, with their attempts. */
  readonly dead: ReadonlyMap<string, number>
  /** The workers that were killed. */
  readonly killed: ReadonlySet<number>
  /** Whether the server was away, so that its answers may have been lost. */
  readonly isOutage: boolean
}

/** Looks each job up in the books of a round whose queue is empty. */
export const account = ({ dead, ids, isOutage, killed, notes }: Books) => {
  const violations: Array<string> = []
  const of = Map.groupBy(notes, ({ id }) => id)
  let completed = 0
  const unheard: Array<string> = []
  for (const id of ids) {
    const all = of.get(id) ?? []
    const begun = all.filter(({ what }) => what === "began").toSorted((one, other) => one.token < other.token ? -1 : 1)
    const completions = all.filter(({ what }) => what === "Completed").length
    const attempts = dead.get(id)
    const wrong = (what: string) => violations.push(`${id}: ${what}\n${all.map(show).join("\n")}`)
    if (completions > 1) wrong("was completed twice")
    if (id.startsWith("Fail")) {
      if (attempts !== 2 || completions > 0) wrong(`should have died in attempt 2, not in ${attempts ?? "none"}`)
    } else if (attempts !== undefined) {
      wrong("is dead")
    } else if (completions > 0) {
      completed++
    } else if (
      // One that is renewed when its end is on the way is told that its claim is over before it is told of the end.
      isOutage || begun.some(({ worker }) => killed.has(worker)) || all.some(({ what }) => what === "unheard")
    ) {
      unheard.push(id)
      if (begun.length === 0) wrong("is gone, and nobody has begun it")
    } else {
      wrong("is gone, and nobody has completed it")
    }
    for (const [at, later] of begun.entries()) {
      const earlier = begun[at - 1]
      if (earlier === undefined) continue
      if (earlier.token === later.token || earlier.attempt >= later.attempt) wrong("was given twice in one attempt")
      const left = all.find(({ token, what }) => what === "left" && token === earlier.token)
      if (left === undefined ? !killed.has(earlier.worker) : left.at > later.at) wrong("was done by two at once")
    }
  }
  const known = new Set(ids)
  for (const id of of.keys()) if (!known.has(id)) violations.push(`${id}: nobody has enqueued it`)
  const begun = notes.reduce((sum, { what }) => what === "began" ? sum + 1 : sum, 0)
  return { completed, unheard, dead: dead.size, begun, violations }
}

const show = ({ at, attempt, token, what, worker }: Note): string =>
  `  ${at / 1_000_000n} ms  worker ${worker}, attempt ${attempt}, token ${token}: ${what}`
