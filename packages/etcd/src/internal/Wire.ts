/** Between the public models of `EtcdOp` and the generated messages. */
import type { MessageInitShape } from "@bufbuild/protobuf"
import type * as Op from "../EtcdOp.ts"
import * as Proto from "./proto/etcd_pb.ts"

/** What etcd takes for "no end" as a range's end, and for "from the first key" as its start. */
export const zero: Uint8Array = Uint8Array.of(0)

const empty = new Uint8Array(0)

export const bytes = (value: Op.Bytes): Uint8Array => typeof value === "string" ? Buffer.from(value) : value

export const text = (value: Uint8Array): string =>
  Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8")

export const rangeEnd = (range: Op.KeyRange): Uint8Array => range.rangeEnd === undefined ? empty : bytes(range.rangeEnd)

const targets = {
  key: Proto.RangeRequest_SortTarget.KEY,
  version: Proto.RangeRequest_SortTarget.VERSION,
  createRevision: Proto.RangeRequest_SortTarget.CREATE,
  modRevision: Proto.RangeRequest_SortTarget.MOD,
  value: Proto.RangeRequest_SortTarget.VALUE
}

export const rangeRequest = (request: Op.RangeRequest): MessageInitShape<typeof Proto.RangeRequestSchema> => {
  const sorted = request.sortBy !== undefined || request.descending !== undefined
  return {
    key: bytes(request.key),
    rangeEnd: rangeEnd(request),
    limit: request.limit === undefined ? 0n : BigInt(request.limit),
    revision: request.revision ?? 0n,
    sortTarget: targets[request.sortBy ?? "key"],
    sortOrder: request.descending === true
      ? Proto.RangeRequest_SortOrder.DESCEND
      : sorted
      ? Proto.RangeRequest_SortOrder.ASCEND
      : Proto.RangeRequest_SortOrder.NONE,
    maxCreateRevision: request.maxCreateRevision ?? 0n,
    serializable: request.serializable ?? false,
    keysOnly: request.keysOnly ?? false,
    countOnly: request.countOnly ?? false
  }
}

export const putRequest = (request: Op.PutRequest): MessageInitShape<typeof Proto.PutRequestSchema> => ({
  key: bytes(request.key),
  value: bytes(request.value),
  lease: request.lease ?? 0n,
  ignoreLease: request.ignoreLease ?? false,
  prevKv: request.prevKv ?? false
})

export const deleteRangeRequest = (
  request: Op.DeleteRangeRequest
): MessageInitShape<typeof Proto.DeleteRangeRequestSchema> => ({
  key: bytes(request.key),
  rangeEnd: rangeEnd(request),
  prevKv: request.prevKv ?? false
})

const operators = {
  "=": Proto.Compare_CompareResult.EQUAL,
  "!=": Proto.Compare_CompareResult.NOT_EQUAL,
  "<": Proto.Compare_CompareResult.LESS,
  ">": Proto.Compare_CompareResult.GREATER
}

const compareTargets = {
  version: Proto.Compare_CompareTarget.VERSION,
  createRevision: Proto.Compare_CompareTarget.CREATE,
  modRevision: Proto.Compare_CompareTarget.MOD,
  lease: Proto.Compare_CompareTarget.LEASE
}

export const compare = (
  keys: Op.Bytes | Op.KeyRange,
  target: keyof typeof compareTargets,
  operator: Op.Operator,
  to: bigint
): MessageInitShape<typeof Proto.CompareSchema> => ({
  ...(typeof keys === "string" || keys instanceof Uint8Array
    ? { key: bytes(keys) }
    : { key: bytes(keys.key), rangeEnd: rangeEnd(keys) }),
  target: compareTargets[target],
  result: operators[operator],
  targetUnion: { case: target, value: to }
})

export const compareValue = (
  key: Op.Bytes,
  operator: Op.Operator,
  to: Op.Bytes
): MessageInitShape<typeof Proto.CompareSchema> => ({
  key: bytes(key),
  target: Proto.Compare_CompareTarget.VALUE,
  result: operators[operator],
  targetUnion: { case: "value", value: bytes(to) }
})

const revision = (header: Proto.ResponseHeader | undefined): bigint => header?.revision ?? 0n

export const rangeResult = (response: Proto.RangeResponse): Op.RangeResult => ({
  revision: revision(response.header),
  kvs: response.kvs,
  count: response.count,
  more: response.more
})

export const putResult = (response: Proto.PutResponse): Op.PutResult => ({
  revision: revision(response.header),
  prevKv: response.prevKv
})

export const deleteRangeResult = (response: Proto.DeleteRangeResponse): Op.DeleteRangeResult => ({
  revision: revision(response.header),
  deleted: response.deleted,
  prevKvs: response.prevKvs
})

export const rangeOp = ({ response }: Proto.ResponseOp): Op.RangeResult => {
  if (response.case !== "responseRange") throw mismatch("range", response.case)
  return rangeResult(response.value)
}

export const putOp = ({ response }: Proto.ResponseOp): Op.PutResult => {
  if (response.case !== "responsePut") throw mismatch("put", response.case)
  return putResult(response.value)
}

export const deleteRangeOp = ({ response }: Proto.ResponseOp): Op.DeleteRangeResult => {
  if (response.case !== "responseDeleteRange") throw mismatch("deleteRange", response.case)
  return deleteRangeResult(response.value)
}

const request = (op: Op.Op<unknown>) => op.request

export const txnRequest = (
  { compare = [], failure = [], success = [] }: Op.TxnRequest<
    ReadonlyArray<Op.Op<unknown>>,
    ReadonlyArray<Op.Op<unknown>>
  >
): MessageInitShape<typeof Proto.TxnRequestSchema> => ({
  compare: compare.map((comparison) => comparison.request),
  success: success.map(request),
  failure: failure.map(request)
})

export const txnResult = <S extends ReadonlyArray<Op.Op<unknown>>, F extends ReadonlyArray<Op.Op<unknown>>>(
  { failure, success }: Op.TxnRequest<S, F>,
  response: Proto.TxnResponse
): Op.TxnResult<S, F> => {
  const { header, responses, succeeded } = response
  return succeeded
    ? { succeeded, revision: revision(header), responses: results(success, responses) }
    : { succeeded, revision: revision(header), responses: results(failure, responses) }
}

// etcd answers every operation of the branch that ran, in its order: so the mapped tuple has the tuple's type.
const results = <Ops extends ReadonlyArray<Op.Op<unknown>>>(
  ops: Ops | undefined,
  responses: ReadonlyArray<Proto.ResponseOp>
): Op.Results<Ops> => {
  const decoded = (ops ?? []).map((op, i) => {
    const response = responses[i]
    if (response === undefined) throw mismatch("operation", undefined)
    return op.decode(response)
  })
  return decoded as unknown as Op.Results<Ops>
}

// A server that answers another question than the one asked is a defect, not something that a caller can act on.
const mismatch = (asked: string, answered: string | undefined) =>
  new Error(`etcd answered a ${asked} with ${answered ?? "nothing"}`)
