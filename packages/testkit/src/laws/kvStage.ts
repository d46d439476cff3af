import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type KvEntry, KvStore } from "heddle/coordination"
import { inTime, unique } from "./Stage.ts"

export type Kv = KvStore.KvStore["Service"]
export type Services = KvStore.KvStore | KvStore.KvTransactions

/** What a law works with. */
export interface KvStage {
  readonly store: Kv
  readonly transact: KvStore.KvTransactions["Service"]["transact"]
  /** What all keys of the law begin with. */
  readonly prefix: string
  /** One more store from the same layer. */
  readonly another: Effect.Effect<Kv, unknown, Scope.Scope>
}

export type KvLaw = (title: string, body: (stage: KvStage) => Effect.Effect<unknown, unknown, Scope.Scope>) => void

export const kvLawOf = <E>(layer: Layer.Layer<Services, E>): KvLaw => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const build = Layer.build(Layer.fresh(layer))
      const services = yield* build
      yield* body({
        store: Context.get(services, KvStore.KvStore),
        transact: Context.get(services, KvStore.KvTransactions).transact,
        prefix: `${unique()}/`,
        another: Effect.map(build, Context.get(KvStore.KvStore))
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())), { timeout: 120_000 })

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

/** The value of a key as text. */
export const textAt = (store: Kv, key: string) =>
  Effect.map(store.get(key), (entry) => entry._tag === "Some" ? text(entry.value.value) : undefined)

/** One change in a word: `key=value`, or `-key`, without the law's prefix. */
export const show = (prefix: string) => (change: KvEntry.Change): string =>
  change._tag === "Put"
    ? `${change.entry.key.slice(prefix.length)}=${text(change.entry.value)}`
    : `-${change.key.slice(prefix.length)}`

/** The first `count` changes that a watch tells. */
export const first = <E>(
  prefix: string,
  count: number,
  watch: Stream.Stream<KvEntry.Changed, E>
): Effect.Effect<ReadonlyArray<string>, E> =>
  inTime(
    `${count} changes are seen`,
    Stream.runCollect(Stream.take(Stream.flatMap(watch, ({ changes }) => Stream.fromIterable(changes)), count))
  ).pipe(Effect.map((seen) => seen.map(show(prefix))))

/** Waits until the key is absent. */
export const gone = (store: Kv, key: string) =>
  Effect.gen(function*() {
    const { entries, revision } = yield* store.range(key)
    if (!entries.some((entry) => entry.key === key)) return
    const deleted = Stream.filter(
      store.watch(key, { from: revision + 1n }),
      ({ changes }) => changes.some((change) => change._tag === "Delete")
    )
    yield* inTime(`${key} is deleted`, Stream.runDrain(Stream.take(deleted, 1)))
  })
