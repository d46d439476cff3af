/** Where the entries of a store are kept: `<prefix>/%kv/<key>`, as they are. No resource of the lease store has such a name. */
import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry } from "heddle/coordination"
import * as EtcdOp from "../EtcdOp.ts"

/** What all keys of a store begin with. */
export const start = (prefix: string): string => `${prefix}/%kv/`

export const entryOf = (
  start: string,
  { createRevision, key, modRevision, value }: EtcdOp.KeyValue
): KvEntry.Entry => ({
  key: nameOf(start, key),
  // Copied: a part of the answer would keep all of it.
  value: new Uint8Array(value),
  revision: modRevision,
  created: createRevision
})

export const nameOf = (start: string, key: Uint8Array): string => EtcdOp.text(key).slice(start.length)

/** The keys that begin with `prefix` and come after `after`. */
export const rangeOf = (start: string, prefix: string, after: string | undefined): EtcdOp.KeyRange => {
  const range = EtcdOp.prefix(start + prefix)
  const behind = after !== undefined && KvMachine.compareKeys(after, prefix) >= 0
  return behind ? { ...range, key: `${start}${after}\0` } : range
}

export const targetOf = (start: string, { key, prefix }: KvBackend.Target): EtcdOp.KeyRange =>
  prefix ? EtcdOp.prefix(start + key) : { key: start + key }
