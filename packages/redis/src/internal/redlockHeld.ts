/** What a node says of who holds a resource. Times are milliseconds. */
export interface Held {
  readonly next: number
  readonly age: number
  readonly id: string
  readonly owner: string
  readonly value: string
  readonly token: bigint
}

/** Reads what the script `inspect` answers. */
export const readHeld = (answer: unknown): Held | undefined => {
  if (!Array.isArray(answer)) return undefined
  const [next, age, id, owner, value, token] = answer.map(String)
  return {
    next: Number(next),
    age: Number(age),
    id: id ?? "",
    owner: owner ?? "",
    value: value ?? "",
    token: BigInt(token ?? "0")
  }
}
