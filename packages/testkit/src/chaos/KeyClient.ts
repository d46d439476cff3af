import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KvEntry, KvStore } from "heddle/coordination"
import type { Change } from "../Commits.ts"
import type { Action, Result } from "../Linearizable.ts"
import { Dice } from "./Dice.ts"
import type { Ledger } from "./Ledger.ts"

/** Both services of a store. */
export interface Keys {
  readonly store: KvStore.KvStore["Service"]
  readonly transact: KvStore.KvTransactions["Service"]["transact"]
}

interface Times {
  readonly client: string
  readonly invoked: number
  readonly returned: number
}

/** What came of a request, and when. */
type Answer<A> =
  & Times
  & (
    | { readonly _tag: "Answered"; readonly value: A }
    | { readonly _tag: "Conflict"; readonly error: KvEntry.Conflict }
    | { readonly _tag: "None" }
  )

const kinds = [
  ["get", 25],
  ["put", 18],
  ["set", 25],
  ["remove", 5],
  ["removeIf", 6],
  ["transact", 14],
  ["range", 7]
] as const

const unknown: Result = { _tag: "Unknown" }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (value: Uint8Array): string => new TextDecoder().decode(value)

/** Reads and writes a few keys as its dice say, and writes down what it asked and was answered. */
export class KeyClient {
  readonly name: string
  private readonly seed: number
  private readonly keys: Keys
  private readonly prefix: string
  private readonly all: Arr.NonEmptyReadonlyArray<string>
  private readonly ledger: Ledger
  /** The revisions at which it saw the keys last. */
  readonly known = new Map<string, bigint>()
  constructor(
    name: string,
    seed: number,
    keys: Keys,
    prefix: string,
    all: Arr.NonEmptyReadonlyArray<string>,
    ledger: Ledger
  ) {
    this.name = name
    this.seed = seed
    this.keys = keys
    this.prefix = prefix
    this.all = all
    this.ledger = ledger
  }

  /** Its `n`-th operation. */
  readonly act = (n: number): Effect.Effect<void> => {
    const dice = new Dice(this.seed, `${this.name}/${n}`)
    const value = `${this.name}.${n}`
    const key = dice.pick(this.all)
    const expected = dice.chance(0.1) ? 0n : this.known.get(key) ?? 0n
    const kind = dice.weighted(kinds, "get")
    const patience = dice.chance(0.04) ? dice.between(0, 15) : Infinity
    switch (kind) {
      case "get":
        return this.get(key, patience)
      case "put":
        return this.put(key, value, patience)
      case "set":
        return this.set(key, expected, value, patience)
      case "remove":
        return this.remove(key, patience)
      case "removeIf":
        return expected === 0n ? this.get(key, patience) : this.removeIf(key, expected, patience)
      case "transact":
        return this.transact(dice, key, expected, value, patience)
      case "range":
        return this.range(patience)
    }
  }

  readonly put = (key: string, value: string, patience = Infinity): Effect.Effect<void> =>
    Effect.map(this.ask("put", this.keys.store.put(key, bytes(value)), patience), (answer) => {
      this.record(answer, key, { _tag: "Put", value }, revised)
      this.commit(answer, [{ key, value }], (revision) => revision)
    })

  readonly range = (patience = Infinity): Effect.Effect<void> =>
    Effect.map(this.ask("range", this.keys.store.range(this.prefix), patience), (answer) => {
      if (answer._tag !== "Answered") return
      const { client, invoked, returned, value: { entries, revision } } = answer
      const read = entries.map((entry) => ({
        key: entry.key,
        value: textOf(entry.value),
        revision: entry.revision,
        created: entry.created
      }))
      this.ledger.readings.push({ client, invoked, returned, prefix: this.prefix, revision, entries: read })
      for (const key of this.all) {
        const entry = read.find((entry) => entry.key === key)
        this.record(
          answer,
          key,
          { _tag: "Get" },
          () => entry === undefined ? { _tag: "Absent" } : { _tag: "Found", ...entry }
        )
      }
    })

  private readonly get = (key: string, patience: number): Effect.Effect<void> =>
    Effect.map(
      this.ask("get", this.keys.store.get(key), patience),
      (answer) =>
        this.record(answer, key, { _tag: "Get" }, (entry) =>
          Option.isNone(entry)
            ? { _tag: "Absent" }
            : { _tag: "Found", value: textOf(entry.value.value), revision: entry.value.revision })
    )

  private readonly set = (key: string, expected: bigint, value: string, patience: number): Effect.Effect<void> =>
    Effect.map(
      this.ask("compareAndSet", this.keys.store.compareAndSet(key, expected, bytes(value)), patience),
      (answer) => {
        this.record(answer, key, { _tag: "Put", value, expected }, revised)
        this.commit(answer, [{ key, value }], (revision) => revision)
      }
    )

  private readonly remove = (key: string, patience: number): Effect.Effect<void> =>
    Effect.map(this.ask("delete", this.keys.store.delete(key), patience), (answer) => {
      this.record(answer, key, { _tag: "Delete" }, (was) => ({ _tag: was ? "Done" : "Absent" }))
      if (answer._tag === "None" || (answer._tag === "Answered" && answer.value)) {
        this.commit(answer, [{ key, value: undefined }])
      }
    })

  private readonly removeIf = (key: string, expected: bigint, patience: number): Effect.Effect<void> =>
    Effect.map(
      this.ask("compareAndDelete", this.keys.store.compareAndDelete(key, expected), patience),
      (answer) => {
        this.record(answer, key, { _tag: "Delete", expected }, () => ({ _tag: "Done" }))
        this.commit(answer, [{ key, value: undefined }])
      }
    )

  /** Checks a key and writes another, both, or moves one to the other. */
  private readonly transact = (
    dice: Dice,
    key: string,
    expected: bigint,
    value: string,
    patience: number
  ): Effect.Effect<void> => {
    const other = dice.pick(this.all)
    const kind = dice.pick(["check", "both", "both", "blind", "move"])
    const checks = kind === "blind" ? [] : [{ key, revision: expected }]
    const moves = kind === "move" && expected !== 0n && other !== key
    const changes: ReadonlyArray<Change> = moves
      ? [{ key, value: undefined }, { key: other, value }]
      : kind === "check" || other === key
      ? [{ key: other, value }]
      : [{ key, value }, { key: other, value }]
    const writes = changes.map(({ key, value }): KvEntry.Write =>
      value === undefined ? { _tag: "Delete", key } : { _tag: "Put", key, value: bytes(value) }
    )
    return Effect.map(this.ask("transact", this.keys.transact({ checks, writes }), patience), (answer) => {
      for (const name of new Set([key, ...changes.map((change) => change.key)])) {
        if (answer._tag === "Conflict" && answer.error.key !== name) continue
        const change = changes.find((change) => change.key === name)
        const condition = checks.find((check) => check.key === name)?.revision
        if (change?.value !== undefined) {
          this.record(answer, name, { _tag: "Put", value: change.value, expected: condition }, revised)
        } else if (change !== undefined) {
          this.record(answer, name, { _tag: "Delete", expected: condition }, () => ({ _tag: "Done" }))
        } else if (condition !== undefined) {
          this.record(answer, name, { _tag: "Check", expected: condition }, () => ({ _tag: "Done" }))
        }
      }
      this.commit(answer, changes, (revision) => revision)
    })
  }

  private ask<A>(
    what: string,
    effect: Effect.Effect<A, KvEntry.Conflict | KvStore.WriteError>,
    patience: number
  ): Effect.Effect<Answer<A>> {
    return Effect.suspend(() => {
      const invoked = performance.now()
      const times = (): Times => ({ client: this.name, invoked, returned: performance.now() })
      const none = (why: string) =>
        Effect.sync((): Answer<A> => {
          this.ledger.count(`${what}: ${why}`)
          return { ...times(), _tag: "None" }
        })
      return effect.pipe(
        Effect.map((value): Answer<A> => {
          this.ledger.count(what)
          return { ...times(), _tag: "Answered", value }
        }),
        Effect.catch((error) => {
          if (error._tag === "Conflict") {
            this.ledger.count(`${what}: Conflict`)
            return Effect.sync((): Answer<A> => ({ ...times(), _tag: "Conflict", error }))
          }
          if (error._tag !== "StoreUnavailable") {
            this.ledger.wrong.push(`client ${this.name}: ${what}: ${String(error)}`)
          }
          return none(error._tag)
        }),
        Effect.timeoutOrElse({ duration: Math.min(patience, deadline), orElse: () => none("interrupted") }),
        Effect.tap(() => {
          if (performance.now() - invoked > deadline) this.ledger.wrong.push(`client ${this.name}: ${what} did not end`)
          return Effect.void
        })
      )
    })
  }

  private record<A>(answer: Answer<A>, key: string, action: Action, resultOf: (value: A) => Result): void {
    const { client, invoked, returned } = answer
    const result = answer._tag === "None"
      ? unknown
      : answer._tag === "Conflict"
      ? { _tag: answer._tag, actual: answer.error.actual }
      : resultOf(answer.value)
    this.ledger.operations.push({ key, client, invoked, returned, action, result })
    if (result._tag === "Conflict") this.known.set(key, result.actual)
    else if (result._tag === "Absent" || action._tag === "Delete") this.known.set(key, 0n)
    else if (result._tag !== "Unknown" && result.revision !== undefined) this.known.set(key, result.revision)
  }

  private commit<A>(answer: Answer<A>, changes: ReadonlyArray<Change>, revisionOf?: (value: A) => bigint): void {
    if (answer._tag === "Conflict") return
    const { client, invoked } = answer
    this.ledger.commits.push(
      answer._tag === "Answered"
        ? { client, invoked, returned: answer.returned, revision: revisionOf?.(answer.value), changes }
        : { client, invoked, returned: Infinity, revision: undefined, changes }
    )
  }
}

const revised = (revision: bigint): Result => ({ _tag: "Done", revision })

/** Milliseconds within which every request ends, whatever happens meanwhile. */
const deadline = 30_000
