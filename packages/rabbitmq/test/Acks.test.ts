import { assert, describe, it } from "@effect/vitest"
import { Acks } from "../src/internal/Acks.ts"

interface One {
  readonly fields: { readonly deliveryTag: number }
}

/** A channel of a server: what it has given and not been told of. */
const channel = () => {
  const open = new Set<number>()
  const told: Array<string> = []
  const end = (tag: number) => assert.isTrue(open.delete(tag), `unknown delivery tag ${tag}`)
  return {
    open,
    told,
    ack: ({ fields: { deliveryTag } }: One, allUpTo = false) => {
      told.push(`${deliveryTag}${allUpTo ? " and all before" : ""}`)
      end(deliveryTag)
      if (allUpTo) { for (const tag of open) if (tag < deliveryTag) open.delete(tag) }
    },
    nack: ({ fields: { deliveryTag } }: One) => end(deliveryTag)
  }
}

const one = (deliveryTag: number): One => ({ fields: { deliveryTag } })

describe("Acks", () => {
  it("one word for all up to some place, and one for each behind what is still worked on", () => {
    const server = channel()
    const acks = new Acks<One>(server)
    for (let tag = 1; tag <= 9; tag++) server.open.add(tag)
    acks.done([2, 1, 3].map(one))
    acks.done([6, 5].map(one))
    acks.done([4, 8].map(one))
    acks.back(one(7))
    acks.done([9].map(one))
    assert.deepStrictEqual(server.told, ["3 and all before", "6", "5", "8", "4 and all before", "9 and all before"])
    assert.strictEqual(server.open.size, 0)
  })

  it("ends what is done or goes back, and nothing else, in whatever order", () => {
    let seed = 7
    const dice = (sides: number) => {
      seed = seed * 48_271 % 2_147_483_647
      return seed % sides
    }
    const server = channel()
    const acks = new Acks<One>(server)
    const open: Array<number> = []
    for (let turn = 0, tag = 0; turn < 5000; turn++) {
      for (let more = dice(5); more > 0; more--) {
        server.open.add(++tag)
        open.push(tag)
      }
      const some = Array.from({ length: Math.min(dice(6), open.length) }, () => open.splice(dice(open.length), 1))
      if (dice(4) === 0) { for (const [tag = 0] of some) acks.back(one(tag)) }
      else acks.done(some.map(([tag = 0]) => one(tag)))
      assert.deepStrictEqual([...server.open], open)
    }
  })
})
