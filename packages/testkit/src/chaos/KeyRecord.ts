import * as Effect from "effect/Effect"
import type { KvEntry, KvStore } from "heddle/coordination"
import type { Change } from "../Commits.ts"
import type { Action, Result } from "../Linearizable.ts"
import type { Ledger } from "./Ledger.ts"

interface Times {
  readonly client: string
  readonly invoked: number
  readonly returned: number
}

/** What came of a request, and when. `Refused`: the lease that it named was over, so nothing was done. */
export type Answer<A> =
  & Times
  & (
    | { readonly _tag: "Answered"; readonly value: A }
    | { readonly _tag: "Conflict"; readonly error: KvEntry.Conflict }
    | { readonly _tag: "Refused" }
    | { readonly _tag: "None" }
  )

/** Sends a client's requests, and writes down what came of them. */
export class KeyRecord {
  /** The revisions at which the client saw the keys last. */
  readonly known = new Map<string, bigint>()
  private readonly client: string
  private readonly ledger: Ledger
  constructor(client: string, ledger: Ledger) {
    this.client = client
    this.ledger = ledger
  }

  ask<A>(
    what: string,
    effect: Effect.Effect<A, KvEntry.Conflict | KvStore.WriteError>,
    patience: number
  ): Effect.Effect<Answer<A>> {
    return Effect.suspend(() => {
      const invoked = performance.now()
      const times = (): Times => ({ client: this.client, invoked, returned: performance.now() })
      const failed = (error: KvEntry.Conflict | KvStore.WriteError): Answer<A> => {
        this.ledger.count(`${what}: ${error._tag}`)
        if (error._tag === "Conflict") return { ...times(), _tag: "Conflict", error }
        if (error._tag === "LeaseLost") return { ...times(), _tag: "Refused" }
        if (error._tag !== "StoreUnavailable") {
          this.ledger.wrong.push(`client ${this.client}: ${what}: ${String(error)}`)
        }
        return { ...times(), _tag: "None" }
      }
      return effect.pipe(
        Effect.map((value): Answer<A> => {
          this.ledger.count(what)
          return { ...times(), _tag: "Answered", value }
        }),
        Effect.catch((error) => Effect.sync(() => failed(error))),
        Effect.timeoutOrElse({
          duration: Math.min(patience, deadline),
          orElse: () =>
            Effect.sync((): Answer<A> => {
              this.ledger.count(`${what}: interrupted`)
              if (patience > deadline) this.ledger.wrong.push(`client ${this.client}: ${what} did not end`)
              return { ...times(), _tag: "None" }
            })
        })
      )
    })
  }

  operation<A>(answer: Answer<A>, key: string, action: Action, resultOf: (value: A) => Result): void {
    if (answer._tag === "Refused") return
    const { client, invoked, returned } = answer
    const result: Result = answer._tag === "None"
      ? { _tag: "Unknown" }
      : answer._tag === "Conflict"
      ? { _tag: "Conflict", actual: answer.error.actual }
      : resultOf(answer.value)
    this.ledger.operations.push({ key, client, invoked, returned, action, result })
    if (result._tag === "Conflict") this.known.set(key, result.actual)
    else if (result._tag === "Absent" || action._tag === "Delete") this.known.set(key, 0n)
    else if (result._tag !== "Unknown" && result.revision !== undefined) this.known.set(key, result.revision)
  }

  commit<A>(answer: Answer<A>, changes: ReadonlyArray<Change>, revisionOf?: (value: A) => bigint): void {
    if (answer._tag === "Conflict" || answer._tag === "Refused") return
    const { client, invoked } = answer
    this.ledger.commits.push(
      answer._tag === "Answered"
        ? { client, invoked, returned: answer.returned, revision: revisionOf?.(answer.value), changes }
        : { client, invoked, returned: Infinity, revision: undefined, changes }
    )
  }

  /** What was written lasts for a time: the store may delete it, so many milliseconds after it was asked at the earliest. */
  expiry<A>(answer: Answer<A>, key: string, value: string, earliest: number): void {
    if (answer._tag === "Conflict" || answer._tag === "Refused") return
    const times = { client: `the store, for ${this.client}`, invoked: answer.invoked + earliest, returned: Infinity }
    this.ledger.operations.push({ ...times, key, action: { _tag: "Expire", value }, result: { _tag: "Unknown" } })
    this.ledger.commits.push({ ...times, revision: undefined, changes: [{ key, value: undefined }] })
  }
}

/** Milliseconds within which every request ends, whatever happens meanwhile. */
const deadline = 30_000
