import type { Job, JobBackend } from "heddle/messaging"
import { packed } from "./jobWords.ts"
import { escape, unescape } from "./kvOps.ts"
import type { Rows } from "./Link.ts"

const micros = (millis: number): string => String(Math.round(millis * 1000))

const none = new Uint8Array()

/** Jobs of one queue that come at once. */
export interface Enqueueing {
  readonly queue: string
  readonly entries: ReadonlyArray<JobBackend.Entry>
}

/** Jobs as `job_enqueue` takes them: their words, column by column, and their payloads. */
export const enqueueArgs = (
  calls: ReadonlyArray<Enqueueing>
): readonly [ReadonlyArray<string>, ReadonlyArray<Uint8Array>] => {
  const jobs = calls.flatMap(({ entries }) => entries)
  const words = packed(jobs.length, [
    calls.flatMap(({ entries, queue }) => entries.map(() => queue)),
    jobs.map(({ id }) => escape(id)),
    jobs.map(({ key }) => key === undefined ? "" : escape(key)),
    jobs.map(({ headers }) => JSON.stringify(headers)),
    jobs.map(({ priority }) => String(priority)),
    jobs.map(({ delay }) => micros(delay)),
    jobs.map(({ maxAttempts }) => String(maxAttempts)),
    jobs.map(({ keep }) => micros(keep))
  ])
  return [words, jobs.map(({ payload }) => payload)]
}

const letters = { Completed: "C", Retry: "R", Dead: "D", HandedBack: "H" } as const

/** The ends of claims as `job_settle` takes them: their words, column by column, then errors, then results. */
export const settleArgs = (
  ends: ReadonlyArray<JobBackend.Ending>
): readonly [ReadonlyArray<string>, ReadonlyArray<Uint8Array>] => {
  const failures = ends.map(({ settlement }) => "failure" in settlement ? settlement.failure : undefined)
  const results = ends.map(({ settlement }) => settlement._tag === "Completed" ? settlement.result : undefined)
  const words = packed(ends.length, [
    ends.map(({ held }) => held.queue),
    ends.map(({ held }) => escape(held.id)),
    ends.map(({ held }) => String(held.token)),
    ends.map(({ settlement }) => letters[settlement._tag]),
    ends.map(({ settlement }) => micros(settlement._tag === "Retry" ? settlement.delay : 0)),
    failures.map((failure) => escape(failure?.cause ?? "")),
    failures.map((failure) => failure?.error === undefined ? "0" : "1"),
    results.map((result) => result === undefined ? "0" : "1")
  ])
  const blobs = [...failures.map((failure) => failure?.error), ...results]
  return [words, blobs.some((blob) => blob !== undefined) ? blobs.map((blob) => blob ?? none) : []]
}

const ends = new Map<string, JobBackend.Settled>([
  ["C", "Completed"],
  ["R", "Retried"],
  ["D", "Dead"],
  ["H", "HandedBack"]
])

export const settledOf = (letter: string): JobBackend.Settled => ends.get(letter) ?? "Lost"

export const textOf = (value: unknown): string => typeof value === "string" ? unescape(value) : ""

// Copied: a part of the answer would keep all of it.
export const bytesOf = (value: unknown): Uint8Array | undefined =>
  value instanceof Uint8Array ? value.slice() : undefined

export const headersOf = (value: unknown): Job.Headers => {
  const found: unknown = typeof value === "string" && value !== "" ? JSON.parse(value) : {}
  return typeof found === "object" && found !== null
    ? Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)]))
    : {}
}

/** What a claim has got, and the mark that it leaves for the next. */
export interface Taken extends JobBackend.Taken {
  readonly mark: string
}

/** The mark of a claim that knows of none before it. */
export const noMark = "{}"

/** The jobs that were claimed, and in how many milliseconds there may be more. `until`: when the claims end. */
export const takenOf = (rows: Rows, { queue, ttl }: JobBackend.Claim, until: number): Taken => {
  const jobs: Array<Job.Claimed> = []
  let next = Infinity
  let mark = noMark
  for (const [id, token, attempt, most, key, payload, headers, age] of rows) {
    if (typeof id !== "string") {
      next = Number(age) < 0 ? Infinity : Number(age) / 1000 + 1
      mark = String(headers)
      continue
    }
    jobs.push({
      queue,
      id: unescape(id),
      token: BigInt(String(token)),
      attempt: Number(attempt),
      maxAttempts: Number(most),
      key: typeof key === "string" ? unescape(key) : undefined,
      payload: bytesOf(payload) ?? none,
      headers: headersOf(headers),
      age: Number(age) / 1000,
      ttl,
      until
    })
  }
  return { jobs, next, mark }
}

export const letterOf = (
  [id, key, payload, headers, attempts, cause, error]: ReadonlyArray<unknown>
): Job.DeadLetter => ({
  id: textOf(id),
  key: typeof key === "string" ? unescape(key) : undefined,
  payload: bytesOf(payload) ?? none,
  headers: headersOf(headers),
  attempts: Number(attempts),
  failure: failureOf(cause, error)
})

const failureOf = (cause: unknown, error: unknown): Job.Failure => {
  const bytes = bytesOf(error)
  return { cause: textOf(cause), ...(bytes === undefined ? {} : { error: bytes }) }
}

/** What is known of a job that somebody follows: what was reported last, and how it ended if it has. */
export const knownOf = (
  row: ReadonlyArray<unknown> | undefined
): { readonly progress: Uint8Array | undefined; readonly outcome: Job.Outcome | undefined } => {
  if (row === undefined) return { progress: undefined, outcome: { _tag: "Unknown" } }
  const [state, outcome, cause, error, result, progress] = row
  if (state === "d") return { progress: undefined, outcome: { _tag: "Dead", failure: failureOf(cause, error) } }
  if (state !== "e") return { progress: bytesOf(progress), outcome: undefined }
  return {
    progress: undefined,
    outcome: outcome === "X" ? { _tag: "Cancelled" } : { _tag: "Completed", result: bytesOf(result) }
  }
}

const states = new Map<unknown, Job.JobInfo["state"]>([
  ["l", "delayed"],
  ["w", "waiting"],
  ["c", "claimed"],
  ["d", "dead"]
])

export const infoOf = ([id, state, attempts, key, owner]: ReadonlyArray<unknown>): Job.JobInfo => ({
  id: textOf(id),
  state: states.get(state) ?? "ended",
  attempts: Number(attempts),
  key: typeof key === "string" ? unescape(key) : undefined,
  owner: typeof owner === "string" ? unescape(owner) : undefined
})

export const statsOf = ([waiting, delayed, claimed, dead, paused]: ReadonlyArray<unknown>): Job.Stats => ({
  waiting: Number(waiting),
  delayed: Number(delayed),
  claimed: Number(claimed),
  dead: Number(dead),
  paused: paused === true
})
