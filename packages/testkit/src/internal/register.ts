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

/** The register if it can be at the revision, which then is known. */
const at = (register: Register, revision: bigint): Register | undefined => {
  if (register.revision !== undefined) return register.revision === revision ? register : undefined
  return revision > register.floor ? { ...register, revision, floor: revision } : undefined
}

const deleted = ({ floor }: Register): Register => ({ ...absent, floor })

const step = (register: Register, { action, result }: Operation): Register | undefined => {
  if (result._tag === "Found") return register.value === result.value ? at(register, result.revision) : undefined
  if (result._tag === "Absent") return register.value === undefined ? register : undefined
  const expected = action._tag === "Get" ? undefined : action.expected
  if (result._tag === "Conflict") return result.actual === expected ? undefined : at(register, result.actual)
  const met = expected === undefined ? register : at(register, expected)
  if (met === undefined) return undefined
  switch (action._tag) {
    case "Put": {
      const { value } = action
      const revision = result._tag === "Done" ? result.revision : undefined
      if (revision === undefined) return { value, revision, floor: met.floor }
      return revision > met.floor ? { value, revision, floor: revision } : undefined
    }
    case "Delete":
      return met.value === undefined ? undefined : deleted(met)
    default:
      return met
  }
}

/** A key of a store with revisions: read, written, deleted, each on condition of a revision or without. */
export const register: Model<Register, Operation> = {
  step,
  key: ({ floor, revision, value }) => `${revision}/${floor}/${value}`
}
