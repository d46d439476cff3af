import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { inSpan, isTraced } from "../../internal/traced.ts"
import type { Change, Entry, Kv, ModifyOptions, Options, Page } from "../Kv.ts"
import type { Conflict, Entry as Raw, PutOptions, Undecodable } from "../KvEntry.ts"
import { InvalidKey } from "../KvEntry.ts"
import { KvStore } from "../KvStore.ts"
import type { RangeOptions, ReadError, WriteError } from "../KvStore.ts"
import { follow, typed } from "./kvChanges.ts"
import { type KvCodec, kvCodec } from "./kvCodec.ts"
import { type KvMetrics, kvMetrics } from "./kvMetrics.ts"
import { checkText } from "./kvRequest.ts"

type Store = KvStore["Service"]

export class TypedKv<A, RD, RE> implements Kv<A, RD, RE> {
  readonly namespace: string
  private readonly codec: KvCodec<A, RD, RE>
  private readonly prefix: string
  private readonly wrong: InvalidKey | undefined
  /** By the name of a backend. */
  private readonly metrics = new Map<string, KvMetrics>()
  /** `wrong` is what every call fails with. */
  constructor({ namespace, schema }: Options<A, RD, RE>, wrong?: InvalidKey) {
    this.namespace = namespace
    this.codec = kvCodec(schema)
    this.prefix = `${namespace}/`
    this.wrong = wrong
  }

  readonly get = (key: string): Effect.Effect<Option.Option<Entry<A>>, ReadError | Undecodable, KvStore | RD> =>
    this.on("Kv.get", key, (store) => this.read(store, key))

  readonly entries = (options: RangeOptions = {}): Effect.Effect<Page<A>, ReadError, KvStore | RD> =>
    this.on("Kv.entries", options.after, (store) =>
      Effect.gen({ self: this }, function*() {
        const after = options.after === undefined ? undefined : this.prefix + options.after
        const range = yield* store.range(this.prefix, { ...options, after })
        const page = yield* typed(this.view(store), range)
        return { ...page, next: range.more ? range.entries.at(-1)?.key.slice(this.prefix.length) : undefined }
      }))

  readonly put = (key: string, value: A, options?: PutOptions): Effect.Effect<bigint, WriteError, KvStore | RE> =>
    this.on(
      "Kv.put",
      key,
      (store, context) =>
        Effect.flatMap(
          this.codec.encode(value),
          (bytes) => this.counted(store, context, store.put(this.prefix + key, bytes, options))
        )
    )

  readonly delete = (key: string): Effect.Effect<boolean, ReadError, KvStore> =>
    this.on("Kv.delete", key, (store, context) => this.counted(store, context, store.delete(this.prefix + key)))

  readonly compareAndSet = (
    key: string,
    expected: bigint,
    value: A,
    options?: PutOptions
  ): Effect.Effect<bigint, Conflict | WriteError, KvStore | RE> =>
    this.on("Kv.compareAndSet", key, (store, context) => this.set(store, context, key, expected, value, options))

  readonly modify = <B, E, R>(
    key: string,
    f: (current: Option.Option<A>) => Effect.Effect<readonly [result: B, next: Option.Option<A>], E, R>,
    { retries = 64, ...options }: ModifyOptions = {}
  ): Effect.Effect<B, E | Conflict | Undecodable | WriteError, KvStore | RD | RE | R> =>
    this.on(
      "Kv.modify",
      key,
      (store, context) =>
        retried(retries, () =>
          Effect.flatMap(this.read(store, key), (entry) => {
            const current = Option.map(entry, ({ value }) => value)
            return Effect.flatMap(f(current), ([result, next]) => {
              const revision = Option.isSome(entry) ? entry.value.revision : 0n
              const write = Option.isSome(next)
                ? isSame(current, next) ? Effect.void : this.set(store, context, key, revision, next.value, options)
                : Option.isSome(entry)
                ? this.counted(store, context, store.compareAndDelete(this.prefix + key, revision))
                : Effect.void
              return Effect.succeed(Effect.as(write, result))
            })
          }))
    )

  readonly propose = (
    key: string,
    value: A
  ): Effect.Effect<Entry<A>, Conflict | Undecodable | WriteError, KvStore | RD | RE> =>
    this.on("Kv.propose", key, (store, context) =>
      retried(64, () =>
        Effect.map(
          this.read(store, key),
          Option.match({
            onSome: (decided) => Effect.succeed(decided),
            onNone: () =>
              Effect.map(
                this.set(store, context, key, 0n, value, undefined),
                (revision): Entry<A> => ({ key, value, revision, created: revision })
              )
          })
        )))

  get changes(): Stream.Stream<Change<A>, ReadError, KvStore | RD> {
    return Stream.unwrap(
      this.on(
        "Kv.changes",
        undefined,
        (store) => Effect.succeed(follow(this.view(store), { key: this.prefix, prefix: true }))
      )
    )
  }

  readonly watch = (key: string): Stream.Stream<Change<A>, ReadError, KvStore | RD> =>
    Stream.unwrap(
      this.on("Kv.watch", key, (store) =>
        Effect.succeed(follow(this.view(store), { key: this.prefix + key, prefix: false })))
    )

  /** Runs a call whose namespace and key can mean something. */
  private on<B, E, R>(
    name: string,
    key: string | undefined,
    run: (store: Store, context: Context.Context<never>) => Effect.Effect<B, E, R>
  ): Effect.Effect<B, E | InvalidKey, KvStore | R> {
    return Effect.withFiber<B, E | InvalidKey, KvStore | R>((fiber) => {
      const wrong = this.wrong ?? (key === undefined ? undefined : checkText("key", key, 800))
      if (wrong !== undefined) return Effect.fail(wrong)
      const store = Context.getUnsafe(fiber.context, KvStore)
      const call = run(store, fiber.context)
      return isTraced(fiber)
        ? inSpan(name, { "heddle.backend": store.backend, "heddle.kv.namespace": this.namespace }, call)
        : call
    })
  }

  private read(store: Store, key: string): Effect.Effect<Option.Option<Entry<A>>, ReadError | Undecodable, RD> {
    return Effect.flatMap(
      store.get(this.prefix + key),
      (entry) =>
        Option.isNone(entry) ? Effect.succeedNone : Effect.map(this.view(store).decode(entry.value), Option.some)
    )
  }

  private set(
    store: Store,
    context: Context.Context<never>,
    key: string,
    expected: bigint,
    value: A,
    options: PutOptions | undefined
  ): Effect.Effect<bigint, Conflict | WriteError, RE> {
    return Effect.flatMap(
      this.codec.encode(value),
      (bytes) => this.counted(store, context, store.compareAndSet(this.prefix + key, expected, bytes, options))
    )
  }

  private view(store: Store) {
    const metrics = this.metricsOf(store)
    return {
      store,
      missed: metrics.missed,
      nameOf: (key: string) => key.slice(this.prefix.length),
      decode: (entry: Raw): Effect.Effect<Entry<A>, Undecodable, RD> => {
        const key = entry.key.slice(this.prefix.length)
        return Effect.tapError(
          Effect.map(this.codec.decode(key, entry), (value): Entry<A> => ({ ...entry, key, value })),
          () => metrics.undecodable
        )
      }
    }
  }

  private counted<B, E extends { readonly _tag: string }>(
    store: Store,
    context: Context.Context<never>,
    write: Effect.Effect<B, E>
  ): Effect.Effect<B, E> {
    const { written } = this.metricsOf(store)
    return Effect.onExitPrimitive(write, (exit) => {
      if (Exit.isSuccess(exit)) written(context, "made")
      else {
        const error = Cause.findErrorOption(exit.cause)
        if (Option.isSome(error)) written(context, error.value._tag === "Conflict" ? "conflict" : "error")
      }
      return undefined
    })
  }

  private metricsOf({ backend }: Store): KvMetrics {
    let found = this.metrics.get(backend)
    if (found === undefined) this.metrics.set(backend, found = kvMetrics(backend, this.namespace))
    return found
  }
}

export const checkNamespace = (namespace: string): InvalidKey | undefined =>
  checkText("namespace", namespace, 200) ??
    (namespace.includes("/") || namespace === "heddle"
      ? new InvalidKey({ field: "namespace", message: "namespace must be without /, and not heddle" })
      : undefined)

const isSame = <A>(one: Option.Option<A>, other: Option.Option<A>): boolean =>
  Option.isSome(one) && Option.isSome(other) && one.value === other.value

/**
 * Prepares and commits, anew whenever the commit meets a conflict. The times between are random, up to 1 ms, 2 ms, … 64 ms,
 * so that those who met do not meet again.
 */
const retried = <B, E, R, R2>(
  retries: number,
  prepare: () => Effect.Effect<Effect.Effect<B, Conflict | WriteError, R2>, E, R>
): Effect.Effect<B, E | Conflict | WriteError, R | R2> => {
  const attempt = (tried: number): Effect.Effect<B, E | Conflict | WriteError, R | R2> =>
    Effect.flatMap(
      Effect.suspend(prepare),
      (commit) =>
        Effect.catchTag(commit, "Conflict", (conflict) =>
          tried < retries
            ? Effect.flatMap(pause(tried), () => attempt(tried + 1))
            : Effect.fail(conflict))
    )
  return attempt(0)
}

const pause = (tried: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) => Effect.sleep(random * Math.min(2 ** tried, 64)))
