import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KvEntry } from "heddle/coordination"
import type { Change } from "../Commits.ts"
import type { Result } from "../Linearizable.ts"
import { Dice } from "./Dice.ts"
import { KeyRecord } from "./KeyRecord.ts"
import type { Stage } from "./Stage.ts"
import type { Keys } from "./Stores.ts"

const kinds = [
  ["get", 25],
  ["put", 18],
  ["set", 25],
  ["remove", 5],
  ["removeIf", 6],
  ["transact", 14],
  ["range", 7]
] as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (value: Uint8Array): string => new TextDecoder().decode(value)

/** Reads and writes a few keys as its dice say, and writes down what it asked and was answered. */
export class KeyClient {
  readonly log: KeyRecord
  private readonly name: string
  private readonly keys: Keys
  private readonly stage: Stage
  private lease: KvEntry.KvLease | undefined
  constructor(
    name: string,
    keys: Keys,
    stage: Stage
  ) {
    this.name = name
    this.keys = keys
    this.stage = stage
    this.log = new KeyRecord(name, stage.ledger)
  }

  /** Its `n`-th operation. */
  readonly act = (n: number): Effect.Effect<void> => {
    const dice = new Dice(this.stage.seed, `${this.name}/${n}`)
    const value = `${this.name}.${n}`
    const key = dice.pick(this.stage.keys)
    const expected = dice.chance(0.1) ? 0n : this.log.known.get(key) ?? 0n
    const kind = dice.weighted(kinds, "get")
    const patience = dice.chance(0.04) ? dice.between(0, 15) : Infinity
    switch (kind) {
      case "get":
        return this.get(key, patience)
      case "put":
        return this.put(key, value, patience, this.lasting(dice))
      case "set":
        return this.set(key, expected, value, patience, this.lasting(dice))
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

  /** Has a lease most of the time, to bind keys to, until it is interrupted. */
  readonly lend: Effect.Effect<never> = Effect.suspend(() => {
    const dice = new Dice(this.stage.seed, `${this.name}/leases`)
    const term = Effect.suspend(() => {
      const [ttl, held] = [dice.between(300, 1500), dice.between(50, 2000)]
      return Effect.flatMap(this.keys.store.lease({ ttl }), (lease) => {
        this.lease = lease
        return Effect.sleep(held)
      })
    })
    return Effect.forever(
      Effect.scoped(term).pipe(
        Effect.tap(() => Effect.sync(() => this.stage.ledger.count("lease"))),
        Effect.catch((error) => Effect.delay(Effect.sync(() => this.stage.ledger.count(`lease: ${error._tag}`)), 50))
      )
    )
  })

  readonly put = (key: string, value: string, patience = Infinity, lasting?: Lasting): Effect.Effect<void> =>
    Effect.map(this.log.ask("put", this.keys.store.put(key, bytes(value), lasting), patience), (answer) => {
      this.log.operation(answer, key, { _tag: "Put", value }, revised)
      this.log.commit(answer, [{ key, value }], (revision) => revision)
      if (lasting !== undefined) this.log.expiry(answer, key, value, lasting.ttl ?? 0)
    })

  readonly range = (patience = Infinity): Effect.Effect<void> =>
    Effect.map(this.log.ask("range", this.keys.store.range(this.stage.prefix), patience), (answer) => {
      if (answer._tag !== "Answered") return
      const { client, invoked, returned, value: { entries, revision } } = answer
      const read = entries.map((entry) => ({
        key: entry.key,
        value: textOf(entry.value),
        revision: entry.revision,
        created: entry.created
      }))
      this.stage.ledger.readings.push({ client, invoked, returned, prefix: this.stage.prefix, revision, entries: read })
      for (const key of this.stage.keys) {
        const entry = read.find((entry) => entry.key === key)
        this.log.operation(
          answer,
          key,
          { _tag: "Get" },
          () => entry === undefined ? { _tag: "Absent" } : { _tag: "Found", ...entry }
        )
      }
    })

  private lasting(dice: Dice): Lasting | undefined {
    const kind = dice.between(0, 9)
    const ttl = dice.pick([50, 200, 1000])
    if (kind === 0) return { ttl }
    return kind === 1 && this.lease !== undefined ? { lease: this.lease } : undefined
  }

  private readonly get = (key: string, patience: number): Effect.Effect<void> =>
    Effect.map(
      this.log.ask("get", this.keys.store.get(key), patience),
      (answer) =>
        this.log.operation(answer, key, { _tag: "Get" }, (entry) =>
          Option.isNone(entry)
            ? { _tag: "Absent" }
            : { _tag: "Found", value: textOf(entry.value.value), revision: entry.value.revision })
    )

  private readonly set = (
    key: string,
    expected: bigint,
    value: string,
    patience: number,
    lasting?: Lasting
  ): Effect.Effect<void> =>
    Effect.map(
      this.log.ask("compareAndSet", this.keys.store.compareAndSet(key, expected, bytes(value), lasting), patience),
      (answer) => {
        this.log.operation(answer, key, { _tag: "Put", value, expected }, revised)
        this.log.commit(answer, [{ key, value }], (revision) => revision)
        if (lasting !== undefined) this.log.expiry(answer, key, value, lasting.ttl ?? 0)
      }
    )

  private readonly remove = (key: string, patience: number): Effect.Effect<void> =>
    Effect.map(this.log.ask("delete", this.keys.store.delete(key), patience), (answer) => {
      this.log.operation(answer, key, { _tag: "Delete" }, (was) => ({ _tag: was ? "Done" : "Absent" }))
      if (answer._tag === "None" || (answer._tag === "Answered" && answer.value)) {
        this.log.commit(answer, [{ key, value: undefined }])
      }
    })

  private readonly removeIf = (key: string, expected: bigint, patience: number): Effect.Effect<void> =>
    Effect.map(
      this.log.ask("compareAndDelete", this.keys.store.compareAndDelete(key, expected), patience),
      (answer) => {
        this.log.operation(answer, key, { _tag: "Delete", expected }, () => ({ _tag: "Done" }))
        this.log.commit(answer, [{ key, value: undefined }])
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
    const other = dice.pick(this.stage.keys)
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
    return Effect.map(this.log.ask("transact", this.keys.transact({ checks, writes }), patience), (answer) => {
      for (const name of new Set([key, ...changes.map((change) => change.key)])) {
        if (answer._tag === "Conflict" && answer.error.key !== name) continue
        const change = changes.find((change) => change.key === name)
        const condition = checks.find((check) => check.key === name)?.revision
        if (change?.value !== undefined) {
          this.log.operation(answer, name, { _tag: "Put", value: change.value, expected: condition }, revised)
        } else if (change !== undefined) {
          this.log.operation(answer, name, { _tag: "Delete", expected: condition }, () => ({ _tag: "Done" }))
        } else if (condition !== undefined) {
          this.log.operation(answer, name, { _tag: "Check", expected: condition }, () => ({ _tag: "Done" }))
        }
      }
      this.log.commit(answer, changes, (revision) => revision)
    })
  }
}

const revised = (revision: bigint): Result => ({ _tag: "Done", revision })

/** How long a key lasts: for a time, in milliseconds, or as long as a lease. */
interface Lasting {
  readonly ttl?: number
  readonly lease?: KvEntry.KvLease
}
