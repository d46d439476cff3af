/**
 * The reads, writes and comparisons that one etcd transaction is made of.
 *
 * `range`, `put` and `deleteRange` build an operation with the type of its answer, so that `txn` answers with a tuple of
 * the right types. Keys and values are bytes; a string stands for its UTF-8 form.
 *
 * @since 0.1.0
 */
import type { MessageInitShape } from "@bufbuild/protobuf"
import type * as Proto from "./internal/proto/etcd_pb.ts"
import * as Wire from "./internal/Wire.ts"

/**
 * Bytes, or a string that stands for its UTF-8 form.
 *
 * @since 0.1.0
 * @category models
 */
export type Bytes = Uint8Array | string

/**
 * One key, or with `rangeEnd` all keys from `key` up to but without `rangeEnd`. {@link prefix} builds one.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyRange {
  readonly key: Bytes
  readonly rangeEnd?: Bytes | undefined
}

/**
 * A key with its value and its history.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyValue {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** The revision at which the key was last created. */
  readonly createRevision: bigint
  /** The revision at which the key was last written. */
  readonly modRevision: bigint
  /** How often the key was written since it was created. */
  readonly version: bigint
  /** The lease that the key ends with, 0 for none. */
  readonly lease: bigint
}

/**
 * What to read.
 *
 * @since 0.1.0
 * @category models
 */
export interface RangeRequest extends KeyRange {
  /** At most so many keys. Default: all. */
  readonly limit?: number | undefined
  /** The state at this revision. Default: the present state. */
  readonly revision?: bigint | undefined
  /** The order of the answer. Default: `key`. */
  readonly sortBy?: "key" | "version" | "createRevision" | "modRevision" | "value" | undefined
  /** The largest first. Default: false. */
  readonly descending?: boolean | undefined
  /** Only keys that were created at or before this revision. Default: all. */
  readonly maxCreateRevision?: bigint | undefined
  /** Read what the connected member knows, which may be old. Default: false, the read is linearizable. */
  readonly serializable?: boolean | undefined
  /** Leave the values out. Default: false. */
  readonly keysOnly?: boolean | undefined
  /** Only count. Default: false. */
  readonly countOnly?: boolean | undefined
}

/**
 * What was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface RangeResult {
  /** The store's revision when the read happened. */
  readonly revision: bigint
  readonly kvs: ReadonlyArray<KeyValue>
  /** How many keys there are in the range, `limit` or not. */
  readonly count: bigint
  /** Whether `limit` cut the answer. */
  readonly more: boolean
}

/**
 * What to write.
 *
 * @since 0.1.0
 * @category models
 */
export interface PutRequest {
  readonly key: Bytes
  readonly value: Bytes
  /** The lease that the key ends with. Default: none, the key stays. */
  readonly lease?: bigint | undefined
  /** Keep the lease that the key has; the key must exist. Default: false. */
  readonly ignoreLease?: boolean | undefined
  /** Answer with the value before. Default: false. */
  readonly prevKv?: boolean | undefined
}

/**
 * What a write did.
 *
 * @since 0.1.0
 * @category models
 */
export interface PutResult {
  /** The store's revision after the write. */
  readonly revision: bigint
  /** The value before, if it was asked for and there was one. */
  readonly prevKv: KeyValue | undefined
}

/**
 * What to delete.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeleteRangeRequest extends KeyRange {
  /** Answer with the values before. Default: false. */
  readonly prevKv?: boolean | undefined
}

/**
 * What a deletion did.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeleteRangeResult {
  /** The store's revision after the deletion. */
  readonly revision: bigint
  readonly deleted: bigint
  /** The values before, if they were asked for. */
  readonly prevKvs: ReadonlyArray<KeyValue>
}

/**
 * One operation of a transaction, with the type of its answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Op<out A> {
  /** @internal */
  readonly request: MessageInitShape<typeof Proto.RequestOpSchema>
  /** @internal */
  readonly decode: (response: Proto.ResponseOp) => A
}

/**
 * The answers of some operations, in their order.
 *
 * @since 0.1.0
 * @category models
 */
export type Results<Ops extends ReadonlyArray<Op<unknown>>> = {
  readonly [K in keyof Ops]: Ops[K] extends Op<infer A> ? A : never
}

/**
 * One comparison of a transaction; {@link compare} and {@link compareValue} build it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compare {
  /** @internal */
  readonly request: MessageInitShape<typeof Proto.CompareSchema>
}

/**
 * How a comparison compares.
 *
 * @since 0.1.0
 * @category models
 */
export type Operator = "=" | "!=" | "<" | ">"

/**
 * If all of `compare` hold do `success`, else do `failure`, in one atomic step.
 *
 * @since 0.1.0
 * @category models
 */
export interface TxnRequest<S extends ReadonlyArray<Op<unknown>>, F extends ReadonlyArray<Op<unknown>>> {
  /** Default: none, which holds. */
  readonly compare?: ReadonlyArray<Compare> | undefined
  /** Default: nothing. */
  readonly success?: S | undefined
  /** Default: nothing. */
  readonly failure?: F | undefined
}

/**
 * Which branch of a transaction ran, and the answers of its operations.
 *
 * @since 0.1.0
 * @category models
 */
export type TxnResult<S extends ReadonlyArray<Op<unknown>>, F extends ReadonlyArray<Op<unknown>>> =
  | { readonly succeeded: true; readonly revision: bigint; readonly responses: Results<S> }
  | { readonly succeeded: false; readonly revision: bigint; readonly responses: Results<F> }

/**
 * Reads keys inside a transaction.
 *
 * @since 0.1.0
 * @category constructors
 */
export const range = (request: RangeRequest): Op<RangeResult> => ({
  request: { request: { case: "requestRange", value: Wire.rangeRequest(request) } },
  decode: Wire.rangeOp
})

/**
 * Writes a key inside a transaction.
 *
 * @since 0.1.0
 * @category constructors
 */
export const put = (request: PutRequest): Op<PutResult> => ({
  request: { request: { case: "requestPut", value: Wire.putRequest(request) } },
  decode: Wire.putOp
})

/**
 * Deletes keys inside a transaction.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deleteRange = (request: DeleteRangeRequest): Op<DeleteRangeResult> => ({
  request: { request: { case: "requestDeleteRange", value: Wire.deleteRangeRequest(request) } },
  decode: Wire.deleteRangeOp
})

/**
 * Compares a number of a key: `compare(key, "createRevision", "=", 0n)` holds while the key does not exist.
 *
 * A key that does not exist has 0 everywhere. A comparison of a range holds when it holds for each of its keys; a range
 * without keys has 0 everywhere as well, so `compare(prefix("a/"), "createRevision", "=", 0n)` holds while it is empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compare = (
  keys: Bytes | KeyRange,
  target: "version" | "createRevision" | "modRevision" | "lease",
  operator: Operator,
  to: bigint
): Compare => ({ request: Wire.compare(keys, target, operator, to) })

/**
 * Compares a key's value, byte by byte. It never holds for a key that does not exist.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compareValue = (key: Bytes, operator: Operator, to: Bytes): Compare => ({
  request: Wire.compareValue(key, operator, to)
})

/**
 * The range of all keys that begin with `start`; spread it into a request. An empty `start` means every key.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prefix = (start: Bytes): KeyRange => {
  const key = Wire.bytes(start)
  let end = key.length
  while (end > 0 && key[end - 1] === 0xff) end--
  if (end === 0) return { key: key.length === 0 ? Wire.zero : key, rangeEnd: Wire.zero }
  const rangeEnd = Uint8Array.from(key.subarray(0, end))
  rangeEnd[end - 1] = (rangeEnd[end - 1] ?? 0) + 1
  return { key, rangeEnd }
}

/**
 * The string that some UTF-8 bytes stand for.
 *
 * @since 0.1.0
 * @category conversions
 */
export const text = (bytes: Uint8Array): string => Wire.text(bytes)
