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
  /** The values that can be told apart, with the revisions at which they were read. */
  const read = new Map<string, Set<bigint>>()
  const readAt = (value: string): Set<bigint> => {
    const known = read.get(value) ?? new Set()
    read.set(value, known)
    return known
  }
  for (const { action, result } of history) {
    if (action._tag === "Expire") readAt(action.value)
    if (action._tag === "Put") {
      writes.set(action.value, (writes.get(action.value) ?? 0) + 1)
      if (result._tag === "Done" && result.revision !== undefined) valueAt.set(result.revision, action.value)
    }
    if (result._tag === "Found") {
      valueAt.set(result.revision, result.value)
      readAt(result.value).add(result.revision)
    }
  }

  /** The register if it can be at the revision, which then is known. */
  const at = (register: Register, revision: bigint): Register | undefined => {
    if (register.revision !== undefined) return register.revision === revision ? register : undefined
    const value = valueAt.get(revision)
    if (revision <= register.floor || (value !== undefined && value !== register.value)) return undefined
    return { ...register, revision, floor: revision }
  }

  const isWrittenOnce = (value: string): boolean => writes.get(value) === 1

  const revisionOf = (value: string): bigint | undefined => {
    const [revision, another] = read.get(value) ?? []
    return isWrittenOnce(value) && another === undefined ? revision : undefined
  }

  const written = ({ floor }: Register, value: string, told: bigint | undefined): Register | undefined => {
    const revision = told ?? revisionOf(value)
    if (revision !== undefined) return revision > floor ? { value, revision, floor: revision } : undefined
    return { value: read.has(value) ? value : unread, revision, floor }
  }

  const step = (register: Register, { action, result }: Operation): Register | undefined => {
    if (result._tag === "Found") return register.value === result.value ? at(register, result.revision) : undefined
    if (result._tag === "Absent") return register.value === undefined ? register : undefined
    if (action._tag === "Get") return register
    if (action._tag === "Expire") return register.value === action.value ? deleted(register) : undefined
    const { expected } = action
    if (result._tag === "Conflict") return result.actual === expected ? undefined : at(register, result.actual)
    const met = expected === undefined ? register : at(register, expected)
    if (met === undefined) return undefined
    if (action._tag === "Put") return written(met, action.value, result._tag === "Done" ? result.revision : undefined)
    if (action._tag === "Check") return met
    return met.value === undefined ? undefined : deleted(met)
  }

  const kind = ({ action }: Operation): string => {
    const expected = action._tag === "Put" || action._tag === "Delete" ? action.expected : undefined
    const value = action._tag === "Expire" || (action._tag === "Put" && read.has(action.value)) ? action.value : ""
    return `${action._tag}/${expected}/${value}`
  }

  /** Revisions only grow: once it has happened, the one revision at which it could is behind. */
  const once = ({ action }: Operation): boolean => {
    if (action._tag === "Expire") return isWrittenOnce(action.value)
    if (action._tag === "Put" && revisionOf(action.value) !== undefined) return true
    return action._tag !== "Get" && action.expected !== undefined && action.expected !== 0n
  }

  return { step, kind, once, key: ({ floor, revision, value }) => `${revision}/${floor}/${value}` }
}

const deleted = ({ floor }: Register): Register => ({ ...absent, floor })
