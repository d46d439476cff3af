import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { KvEntry } from "heddle/coordination"
import type { Watching } from "../Commits.ts"
import { until } from "../internal/until.ts"
import { Dice } from "./Dice.ts"
import { textOf } from "./KeyClient.ts"
import type { Stage } from "./Stage.ts"
import type { Keys } from "./Stores.ts"

interface Watcher extends Watching {
  readonly told: Array<Watching["told"][number]>
  until: bigint
  /** Whether it is to be told everything up to the end. */
  stays: boolean
}

/** Those who watch the keys of a round. */
export class Watchers {
  private readonly all: Array<Watcher> = []
  private readonly stage: Stage
  private readonly from: bigint
  constructor(stage: Stage, from: bigint) {
    this.stage = stage
    this.from = from
  }

  /**
   * Watches until it is interrupted: all keys, one key, and all keys anew again and again, from some revision in the past
   * and then from where it was when it was interrupted.
   */
  watch(client: string, keys: Keys, key: string): Effect.Effect<unknown> {
    const dice = new Dice(this.stage.seed, `${client}/watches`)
    const first = this.open(`the watch of client ${client}`, this.stage.prefix, true, this.from)
    const anew = Effect.suspend(() => {
      const past = first.told[dice.between(0, first.told.length)]?.revision ?? this.from
      const watcher = this.open(`watch ${this.all.length} of client ${client}`, this.stage.prefix, true, past)
      const turns = Array.from({ length: dice.between(1, 4) }, () => dice.between(50, 1500))
      if (dice.chance(0.2)) return this.follow(keys, watcher)
      return Effect.forEach(turns, (millis) => Effect.timeoutOption(this.follow(keys, watcher), millis), {
        discard: true
      })
        .pipe(Effect.ensuring(Effect.sync(() => watcher.stays = false)))
    })
    return Effect.all([
      this.follow(keys, first),
      this.follow(keys, this.open(`the watch of ${key} of client ${client}`, key, false, this.from)),
      Effect.forever(anew)
    ], { concurrency: "unbounded" })
  }

  /** Waits until all who stay have been told the last revision of what they watch. */
  caughtUp(last: ReadonlyMap<string, bigint>): Effect.Effect<void> {
    const goal = (watcher: Watcher): bigint =>
      [...last].reduce(
        (most, [key, revision]) => (watcher.prefix || key === watcher.key) && revision > most ? revision : most,
        0n
      )
    const behind = () => this.all.filter((watcher) => watcher.stays && lastOf(watcher) < goal(watcher))
    return Effect.map(until(Effect.sync(() => behind().length === 0), this.stage.ledger.patience), () => {
      for (const watcher of behind()) {
        this.stage.ledger.wrong.push(
          `${watcher.name} was told up to revision ${lastOf(watcher)}, and not to the last, ${goal(watcher)}`
        )
      }
      for (const watcher of this.all) watcher.until = lastOf(watcher)
      this.stage.ledger.watches.push(...this.all)
    })
  }

  private open(name: string, key: string, prefix: boolean, from: bigint): Watcher {
    const watcher = { name, key, prefix, from, until: 0n, told: [], stays: true }
    this.all.push(watcher)
    return watcher
  }

  private follow(keys: Keys, watcher: Watcher): Effect.Effect<void> {
    const goOn: Effect.Effect<void> = Effect.suspend(() => {
      const from = lastOf(watcher) + 1n
      const stream = watcher.prefix
        ? keys.store.watchPrefix(watcher.key, { from })
        : keys.store.watch(watcher.key, { from })
      return Stream.runForEach(stream, (changed) => Effect.sync(() => watcher.told.push(plain(changed))))
    }).pipe(Effect.matchEffect({
      onSuccess: () => Effect.sync(() => void this.stage.ledger.wrong.push(`${watcher.name} ended`)),
      onFailure: (error): Effect.Effect<void> => {
        this.stage.ledger.count(`watch: ${error._tag}`)
        if (error._tag === "StoreUnavailable") return Effect.delay(goOn, 20)
        if (error._tag === "Compacted") watcher.stays = false
        else this.stage.ledger.wrong.push(`${watcher.name} failed with ${String(error)}`)
        return Effect.never
      }
    }))
    return goOn
  }
}

const lastOf = (watcher: Watcher): bigint => watcher.told.at(-1)?.revision ?? watcher.from - 1n

const plain = ({ changes, revision }: KvEntry.Changed): Watcher["told"][number] => ({
  revision,
  changes: changes.map((change) =>
    change._tag === "Put"
      ? { key: change.entry.key, value: textOf(change.entry.value) }
      : { key: change.key, value: undefined }
  )
})
