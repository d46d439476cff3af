/**
 * Values of one type under keys, for everyone who shares the store: settings, small records, decisions.
 *
 * **When to use**
 *
 * For little that is read often, changed seldom, and followed live. Rows, and what does not fit into memory, belong in a
 * database.
 *
 * **Gotchas**
 *
 * A write that fails with `StoreUnavailable` may have been made. `propose` may simply be called again; `modify` may make
 * its change twice then, unless the function looks whether it is there already.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { checkNamespace, TypedKv } from "./internal/kvTyped.ts"
import type { Conflict, PutOptions, Undecodable } from "./KvEntry.ts"
import type { KvStore, RangeOptions, ReadError, WriteError } from "./KvStore.ts"

/**
 * What the keys begin with, and what their values are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, RD = never, RE = never> {
  /**
   * Keeps the keys apart from all others: in the store they begin with `namespace/`. 1 to 200 characters without `/`;
   * `heddle` is taken.
   */
  readonly namespace: string
  /** What the values are; they are kept as JSON. */
  readonly schema: Schema.Codec<A, unknown, RD, RE>
}

/**
 * A key with its value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry<A> {
  readonly key: string
  readonly value: A
  /** The commit that wrote the value. */
  readonly revision: bigint
  /** The commit that made the key, since it last was absent. */
  readonly created: bigint
}

/**
 * Entries in the order of their keys' UTF-8 bytes, and what stands between them and is no value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entries<A> {
  readonly entries: ReadonlyArray<Entry<A>>
  readonly undecodable: ReadonlyArray<Undecodable>
  /** The revision at which it was so. */
  readonly revision: bigint
}

/**
 * A part of all entries.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<A> extends Entries<A> {
  /** The last key that was read; give it as `after` to go on there. Undefined where there are no more. */
  readonly next: string | undefined
}

/**
 * All there is: forget what you knew. It comes first, and again where changes between were lost (`missed`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot<A> extends Entries<A> {
  readonly _tag: "Snapshot"
  readonly missed: boolean
}

/**
 * What whoever watches is told. The expiry of a key is a `Delete`; a value that cannot be decoded is told as such.
 *
 * @category models
 * @since 0.1.0
 */
export type Change<A> =
  | Snapshot<A>
  | { readonly _tag: "Put"; readonly entry: Entry<A> }
  | { readonly _tag: "Delete"; readonly key: string; readonly revision: bigint }
  | Undecodable

/**
 * How often to try again.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModifyOptions extends PutOptions {
  /** How many times to begin anew when somebody else has changed the key meanwhile. Default 64. */
  readonly retries?: number | undefined
}

/**
 * Values of type `A`. Keys are well-formed strings of 1 to 800 characters. `RD` and `RE` are what the schema needs to
 * decode and to encode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kv<A, RD = never, RE = never> {
  readonly namespace: string
  /** The entry of the key. One round trip. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Entry<A>>, ReadError | Undecodable, KvStore | RD>
  /** The first entries, 1,000 if not said otherwise, as they were at one revision. One round trip. */
  readonly entries: (options?: RangeOptions) => Effect.Effect<Page<A>, ReadError, KvStore | RD>
  /** Writes the value, whatever was there. Answers the revision. A value that the schema refuses is `InvalidKey`. */
  readonly put: (key: string, value: A, options?: PutOptions) => Effect.Effect<bigint, WriteError, KvStore | RE>
  /** Deletes the key; false where it was absent. */
  readonly delete: (key: string) => Effect.Effect<boolean, ReadError, KvStore>
  /** Writes the value if the key still is as revision `expected` wrote it; 0 for a key that must be absent. */
  readonly compareAndSet: (
    key: string,
    expected: bigint,
    value: A,
    options?: PutOptions
  ) => Effect.Effect<bigint, Conflict | WriteError, KvStore | RE>
  /**
   * Replaces the value by what the function makes of it, in one step: where somebody else has changed the key meanwhile it
   * reads again and asks the function again, after a short random time, and in the end fails with `Conflict`.
   *
   * **Details**
   *
   * The function answers with a result and the next value; `None` deletes the key, and what it was given leaves it as it
   * is, without a write. It may have effects; they happen once a try.
   *
   * **Interruption**
   *
   * A write that is on its way may be made.
   */
  readonly modify: <B, E = never, R = never>(
    key: string,
    f: (current: Option.Option<A>) => Effect.Effect<readonly [result: B, next: Option.Option<A>], E, R>,
    options?: ModifyOptions
  ) => Effect.Effect<B, E | Conflict | Undecodable | WriteError, KvStore | RD | RE | R>
  /**
   * Decides on a value once: the first proposal for an absent key is what everyone who proposes gets, for as long as the
   * key is not deleted. Calling it again is safe.
   */
  readonly propose: (
    key: string,
    value: A
  ) => Effect.Effect<Entry<A>, Conflict | Undecodable | WriteError, KvStore | RD | RE>
  /**
   * What is there now as one `Snapshot`, then every change once and in order. Where changes are lost, because the store
   * keeps them for a while only, it says so by one more `Snapshot`. It goes on over lost connections.
   */
  readonly changes: Stream.Stream<Change<A>, ReadError, KvStore | RD>
  /** `changes` of one key. */
  readonly watch: (key: string) => Stream.Stream<Change<A>, ReadError, KvStore | RD>
}

/**
 * Describes values of one type under keys of one namespace. Nothing is done, and nothing refused, before a call.
 *
 * **Example** (A setting that everyone shares)
 *
 * ```ts
 * import { Effect, Option, Schema } from "effect"
 * import { Kv, KvStore } from "heddle/coordination"
 *
 * const limits = Kv.make({ namespace: "limits", schema: Schema.Int })
 *
 * const raise = limits.modify("uploads", (limit) => {
 *   const next = Option.getOrElse(limit, () => 0) + 1
 *   return Effect.succeed([next, Option.some(next)])
 * })
 * const program = Effect.all([raise, raise, raise], { concurrency: "unbounded" })
 *
 * const seen = await Effect.runPromise(
 *   program.pipe(Effect.provide(KvStore.layerMemory))
 * )
 * seen.toSorted() // => [1, 2, 3]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, RD = never, RE = never>(options: Options<A, RD, RE>): Kv<A, RD, RE> =>
  new TypedKv(options, checkNamespace(options.namespace))
