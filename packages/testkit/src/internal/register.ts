import type { Operation } from "../Linearizable.ts"
import type { Model } from "./wgl.ts"

/** A key as far as its operations have told: a revision may not be known yet, but is above `floor` then. */
export interface Register {
  readonly value: string | undefined
  /** 0 where the key is absent. */
  readonly revision: bigint | undefined
  readonly floor: bigint
}

export const absent: Register = { value: undefined, revision: 0n, floor: 0n }

/** Stands for all values that nobody read: nothing can tell them apart. */
export const unread = "(a value that nobody read)"

/**
 * A key of a store with revisions: read, written, deleted, each on condition of a revision or without.
 *
 * What the history says of a value or a revision anywhere holds everywhere: which value a revision wrote, which revision
 * wrote a value that was written once. Without that, each write that was not answered could be the one at each revision of
 * which no more is known.
 */
export const registerOf = (history: ReadonlyArray<Operation>): Model<Register, Operation> => {
  const valueAt = new Map<bigint, string>()
  const writes = new Map<string, number>()
  /** Undefined where a value was read at several revisions. */
  const read = new Map<string, bigint | undefined>()
  for (const { action, result } of history) {
    if (action._tag === "Put") writes.set(action.value, (writes.get(action.value) ?? 0) + 1)
    if (action._tag === "Put" && result._tag === "Done" && result.revision !== undefined) {
      valueAt.set(result.revision, action.value)
    }
    if (result._tag === "Found") {
      valueAt.set(result.revision, result.value)
      const same = !read.has(result.value) || read.get(result.value) === result.revision
      read.set(result.value, same ? result.revision : undefined)
    }
  }

  /** The register if it can be at the revision, which then is known. */
  const at = (register: Register, revision: bigint): Register | undefined => {
    if (register.revision !== undefined) return register.revision === revision ? register : undefined
    const value = valueAt.get(revision)
    if (revision <= register.floor || (value !== undefined && value !== register.value)) return undefined
    return { ...register, revision, floor: revision }
  }

  const revisionOf = (value: string): bigint | undefined => writes.get(value) === 1 ? read.get(value) : undefined

  const written = ({ floor }: Register, value: string, told: bigint | undefined): Register | undefined => {
    const revision = told ?? revisionOf(value)
    if (revision !== undefined) return revision > floor ? { value, revision, floor: revision } : undefined
    return { value: read.has(value) ? value : unread, revision, floor }
  }

  const step = (register: Register, { action, result }: Operation): Register | undefined => {
    if (result._tag === "Found") return register.value === result.value ? at(register, result.revision) : undefined
    if (result._tag === "Absent") return register.value === undefined ? register : undefined
    const expected = action._tag === "Get" ? undefined : action.expected
    if (result._tag === "Conflict") return result.actual === expected ? undefined : at(register, result.actual)
    const met = expected === undefined ? register : at(register, expected)
    if (met === undefined) return undefined
    if (action._tag === "Put") return written(met, action.value, result._tag === "Done" ? result.revision : undefined)
    if (action._tag !== "Delete") return met
    return met.value === undefined ? undefined : { ...absent, floor: met.floor }
  }

  const kind = ({ action }: Operation): string => {
    const value = action._tag === "Put" && read.has(action.value) ? action.value : ""
    return `${action._tag}/${action._tag === "Get" ? "" : action.expected}/${value}`
  }

  /** Revisions only grow: once it has happened, the one revision at which it could is behind. */
  const once = ({ action }: Operation): boolean => {
    if (action._tag === "Put" && revisionOf(action.value) !== undefined) return true
    return action._tag === "Get" || (action.expected ?? 0n) !== 0n
  }

  return { step, kind, once, key: ({ floor, revision, value }) => `${revision}/${floor}/${value}` }
}
