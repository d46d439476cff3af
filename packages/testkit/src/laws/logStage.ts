import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type LogEntry, LogStore } from "heddle/messaging"
import { bytes, text } from "./kvStage.ts"
import { eventually, inTime, unique } from "./Stage.ts"

export { bytes, eventually, inTime, text }

export type Store = LogStore.LogStore["Service"]

/** What a law works with. */
export interface LogStage {
  readonly store: Store
  /** A log that nobody else uses. */
  readonly log: string
  /** One more store from the same layer. */
  readonly another: Effect.Effect<Store, unknown, Scope.Scope>
}

export type LogLaw = (
  title: string,
  body: (stage: LogStage) => Effect.Effect<unknown, unknown, Scope.Scope>
) => void

export const logLawOf = <E>(layer: Layer.Layer<LogStore.LogStore, E>): LogLaw => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const another = Effect.map(Layer.build(Layer.fresh(layer)), Context.get(LogStore.LogStore))
      yield* body({ store: yield* another, log: unique(), another })
    }).pipe(Effect.scoped), { timeout: 120_000 })

export const having = (law: LogLaw, ability: unknown): LogLaw => ability === undefined ? () => {} : law

/** Appends texts, in order. */
export const append = (store: Store, log: string, texts: ReadonlyArray<string>, retention?: LogEntry.Retention) =>
  store.append(log, texts.map((one) => ({ payload: bytes(one) })), retention)

export const numbers = (count: number, from = 0): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, at) => String(from + at))

export const textOf = ({ payload }: LogEntry.Entry): string => text(payload) ?? ""

/** The texts of the first entries, so many, from a place on. */
export const texts = ({ entries }: LogStore.Reading, count: number) =>
  Effect.map(
    inTime(`${count} entries are read`, Stream.runCollect(Stream.take(entries, count))),
    (all) => Array.from(all, textOf)
  )

export const read = (store: Store, log: string, from: LogEntry.From, count: number) =>
  Effect.flatMap(store.read(log, from), (reading) => texts(reading, count))

/** What a refusal names. */
export const refused = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if ("field" in error) return error.field
    return "option" in error ? error.option : error._tag
  })
