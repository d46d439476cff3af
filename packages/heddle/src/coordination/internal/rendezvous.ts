import { hash, mix } from "../../internal/hash.ts"

/** The members with the one that has the highest weight for the key first; ids decide where weights are equal. */
export const rank = <M extends { readonly id: string }>(members: ReadonlyArray<M>, key: string): ReadonlyArray<M> => {
  const ofKey = hash(key, 0x9747b28c)
  return members
    .map((member) => ({ member, weight: mix(hash(member.id, 0x811c9dc5) ^ ofKey) }))
    .sort((one, other) => other.weight - one.weight || (one.member.id < other.member.id ? -1 : 1))
    .map(({ member }) => member)
}

/** Equal for equal sets of ids, and hardly ever for others: 64 bits. */
export const digest = (ids: ReadonlyArray<string>): string => {
  const all = [...ids].sort().join("\n")
  return [0x811c9dc5, 0x9747b28c].map((seed) => hash(all, seed).toString(16).padStart(8, "0")).join("")
}
