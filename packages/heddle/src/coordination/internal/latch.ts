import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { CountDownLatch, CountMismatch, LatchError, Options } from "../CountDownLatch.ts"
import type { Change } from "../Kv.ts"
import { type Conflict, InvalidKey, type Undecodable } from "../KvEntry.ts"
import type { KvStore } from "../KvStore.ts"
import { LeaseTimeout, type StoreUnavailable } from "../Lease.ts"
import { bounded } from "./bounded.ts"
import { checkText, checkWhole, retentionMillis, waitMillis } from "./kvRequest.ts"
import { TypedKv } from "./kvTyped.ts"

/** Who has counted. One key, so that the count that opens it is one write that all see. */
const State = Schema.Struct({ count: Schema.Int, parties: Schema.Array(Schema.String) })
type State = typeof State.Type

const states = new TypedKv({ namespace: "heddle/latch", schema: State })

export class Latch implements CountDownLatch {
  private readonly options: Options
  private readonly mismatch: (actual: number) => CountMismatch
  constructor(options: Options, mismatch: (actual: number) => CountMismatch) {
    this.options = options
    this.mismatch = mismatch
  }

  readonly countDown = (party: string): Effect.Effect<number, Conflict | LatchError, KvStore> =>
    this.checked(({ count, key, retention }) => {
      const wrong = checkText("party", party, 200)
      if (wrong !== undefined) return Effect.fail(wrong)
      return states.modify(
        key,
        (state) =>
          Effect.map(this.agreed(Option.getOrElse(state, (): State => ({ count, parties: [] }))), (now) => {
            const counted = now.parties.length < count && !now.parties.includes(party)
            const parties = counted ? [...now.parties, party] : now.parties
            return [count - parties.length, counted ? Option.some({ count, parties }) : state] as const
          }),
        { ttl: retention === Infinity ? undefined : retention }
      ).pipe(Effect.catchTag("LeaseLost", Effect.die))
    })

  get await(): Effect.Effect<void, LatchError | LeaseTimeout, KvStore> {
    return this.checked(({ key, waitFor }) => {
      const timeout = Effect.suspend(() =>
        Effect.fail(new LeaseTimeout({ resource: `heddle/latch/${key}`, waitedMillis: waitFor }))
      )
      const open = Stream.runDrain(Stream.takeUntilEffect(states.watch(key), (change) => this.isOpen(change)))
      return bounded(open, waitFor, timeout)
    })
  }

  get reset(): Effect.Effect<boolean, InvalidKey | StoreUnavailable, KvStore> {
    return this.checked(({ key }) => states.delete(key))
  }

  private isOpen(change: Change<State>): Effect.Effect<boolean, CountMismatch | Undecodable> {
    if (change._tag === "Undecodable") return Effect.fail(change)
    const state = change._tag === "Put"
      ? change.entry.value
      : change._tag === "Snapshot"
      ? change.entries[0]?.value
      : undefined
    if (change._tag === "Snapshot" && change.undecodable[0] !== undefined) return Effect.fail(change.undecodable[0])
    if (state === undefined) return Effect.succeed(false)
    return Effect.map(this.agreed(state), ({ count, parties }) => parties.length >= count)
  }

  private agreed(state: State): Effect.Effect<State, CountMismatch> {
    return state.count === this.options.count ? Effect.succeed(state) : Effect.fail(this.mismatch(state.count))
  }

  private checked<A, E, R>(
    run: (
      request: { readonly key: string; readonly count: number; readonly retention: number; readonly waitFor: number }
    ) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | InvalidKey, R> {
    return Effect.suspend((): Effect.Effect<A, E | InvalidKey, R> => {
      const { count, key } = this.options
      const wrong = checkText("key", key, 200) ?? checkWhole("count", count, 1000)
      if (wrong !== undefined) return Effect.fail(wrong)
      const retention = retentionMillis(this.options.retention, Infinity)
      if (retention instanceof InvalidKey) return Effect.fail(retention)
      const waitFor = waitMillis(this.options.waitFor)
      if (waitFor instanceof InvalidKey) return Effect.fail(waitFor)
      return run({ key, count, retention, waitFor })
    })
  }
}
