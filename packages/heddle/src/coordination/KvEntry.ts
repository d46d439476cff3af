/**
 * An entry of a key-value store: a key, its bytes, and the revision that wrote them.
 *
 * A revision numbers one commit of the whole store; it only grows.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Lease } from "./Lease.ts"

/**
 * A key with its value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  /** The commit that wrote the value. */
  readonly revision: bigint
  /** The commit that made the key, since it last was absent. */
  readonly created: bigint
}

/**
 * Entries in the order of their keys' UTF-8 bytes, and the revision at which all of them were so.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  readonly entries: ReadonlyArray<Entry>
  readonly revision: bigint
  /** Whether there are more behind the last one. */
  readonly more: boolean
}

/**
 * What became of a key. The expiry of a key is a `Delete`.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "Put"; readonly entry: Entry }
  | { readonly _tag: "Delete"; readonly key: string }

/**
 * Everything that one commit changed among the keys that are watched, in the order of the keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface Changed {
  readonly revision: bigint
  readonly changes: Arr.NonEmptyReadonlyArray<Change>
}

/**
 * A lease that keys can be bound to: when it ends, they are deleted. The store renews it while its scope is open.
 *
 * @category models
 * @since 0.1.0
 */
export interface KvLease extends Pick<Lease, "id" | "isAlive" | "guard" | "run" | "release" | "releaseUnsafe"> {
  /** How long the keys outlive a process that died, in milliseconds: what the server gave, which may be more than was asked. */
  readonly ttl: number
}

/**
 * How long a key lasts: until it is deleted (the default), until a lease ends, or for a time. Each put says it anew.
 *
 * @category models
 * @since 0.1.0
 */
export interface PutOptions {
  /** The lease to bind the key to. */
  readonly lease?: KvLease | undefined
  /**
   * After which time the key is deleted, 10 ms to 400 days; a server may keep it longer by seconds, or by a 32nd of the time.
   * Not beside `lease`.
   */
  readonly ttl?: Duration.Input | undefined
}

/**
 * What a transaction writes.
 *
 * @category models
 * @since 0.1.0
 */
export type Write =
  | ({ readonly _tag: "Put"; readonly key: string; readonly value: Uint8Array } & PutOptions)
  | { readonly _tag: "Delete"; readonly key: string }

/**
 * What a transaction checks: that the key is as the revision wrote it; 0 means that it is absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly key: string
  readonly revision: bigint
}

/**
 * Writes that are made all at once, and only if all checks hold. At most 100 of both together, each key written once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transaction {
  readonly checks?: ReadonlyArray<Check> | undefined
  readonly writes: ReadonlyArray<Write>
}

/**
 * The request cannot mean anything. Nothing was sent. Correct the field named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidKey extends Schema.TaggedError<InvalidKey>()("InvalidKey", {
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * Somebody else has changed the key. Nothing was written. Read it again and decide anew.
 *
 * @category errors
 * @since 0.1.0
 */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", {
  key: Schema.String,
  expected: Schema.BigInt,
  /** The revision of the key now; 0 where it is absent. */
  actual: Schema.BigInt
}) {
  override get message(): string {
    return `${JSON.stringify(this.key)} is at revision ${this.actual}, not ${this.expected}; read it again`
  }
}

/**
 * The changes asked for are no longer kept. Read the range, and watch from the revision after it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Compacted extends Schema.TaggedError<Compacted>()("Compacted", {
  requested: Schema.BigInt,
  /** The first revision that can still be watched from. */
  oldest: Schema.BigInt
}) {
  override get message(): string {
    return `changes before revision ${this.oldest} are gone, and ${this.requested} was asked for; read the range again`
  }
}

/**
 * The bytes under a key are no value of the schema: something else wrote them, or another version of it. They are kept
 * here; write a good value, or let the schema accept them.
 *
 * @category errors
 * @since 0.1.0
 */
export class Undecodable extends Schema.TaggedError<Undecodable>()("Undecodable", {
  key: Schema.String,
  revision: Schema.BigInt,
  bytes: Schema.Uint8Array,
  /** What the schema, or the parser of JSON, has against them. */
  reason: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.key)} at revision ${this.revision} cannot be decoded: ${this.reason}`
  }
}
