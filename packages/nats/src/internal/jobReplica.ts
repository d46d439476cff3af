import * as Option from "effect/Option"
import { JobMachine } from "heddle/messaging"
import { type Answer, carryOut, decodeOrders, type Order } from "./jobOrders.ts"

/** A message of the log. `stamp`: the server's time when it came, in nanoseconds since 1970. */
export interface Arrived {
  readonly seq: number
  readonly stamp: string
  readonly name: string
  readonly data: Uint8Array
}

/** What a message has brought. */
export interface Took {
  readonly name: Name
  readonly orders: ReadonlyArray<Order>
  readonly answers: ReadonlyArray<Answer>
}

/** Whose message it is, which of them, and which part of how many. */
export interface Name {
  readonly client: string
  readonly count: number
  readonly part: number
  readonly parts: number
}

export const nameOf = ({ client, count, part, parts }: Name): string => `${client}.${count}.${part}.${parts}`

const readName = (text: string): Name | undefined => {
  const [, client = "", count = 0, part = 0, parts = 0] = /^(\w+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text) ?? []
  return client === "" ? undefined : { client, count: Number(count), part: Number(part), parts: Number(parts) }
}

/** Parts that are further apart than this belong to no message, in milliseconds of the server's clock. */
const togetherness = 60_000

interface Parts {
  readonly since: number
  readonly found: Array<Uint8Array>
}

/**
 * What the log of a queue says, as far as it was read.
 *
 * All that read the same log as far have the same machine: each order is carried out at the time at which the server put it there,
 * and nothing else is looked at.
 */
export class JobReplica {
  machine = new JobMachine.JobMachine()
  /** The time of what was read last. It does not go back, even where the server's clock does. */
  now = 0
  seq = 0
  stamp = ""
  /** What was read since the last state that is known to be kept. */
  readonly unsaved = { messages: 0, bytes: 0 }
  private readonly parts = new Map<string, Parts>()

  static of(seq: number, stamp: string, state: JobMachine.State): JobReplica {
    const replica = new JobReplica()
    replica.machine = JobMachine.JobMachine.of(state)
    replica.now = state.now
    replica.seq = seq
    replica.stamp = stamp
    return replica
  }

  /** Whether a message is the last that was read, the one behind it, or something else, so that some are missing. */
  place({ seq, stamp }: Pick<Arrived, "seq" | "stamp">): "last" | "behind" | "elsewhere" {
    if (seq === this.seq && stamp === this.stamp) return "last"
    return seq === this.seq + 1 ? "behind" : "elsewhere"
  }

  /** The state, where no message is half read. */
  state(): JobMachine.State | undefined {
    return this.parts.size === 0 ? this.machine.state(this.now) : undefined
  }

  /** Carries out what a message says. None where it says nothing yet, or to nobody here; undefined where it cannot be read. */
  take({ data, name: text, seq, stamp }: Arrived): Option.Option<Took> | undefined {
    this.seq = seq
    this.stamp = stamp
    this.now = Math.max(this.now, Number(BigInt(stamp) / 1000n) / 1000)
    this.unsaved.messages++
    this.unsaved.bytes += data.length
    const name = readName(text)
    const whole = name === undefined ? undefined : this.join(name, data)
    if (name === undefined || whole === undefined) return Option.none()
    const read = decodeOrders(whole)
    if (Option.isNone(read)) return undefined
    const orders = read.value
    const answers = orders.map((order) => {
      if (order._tag === "Saved") Object.assign(this.unsaved, { messages: seq - order.at, bytes: 0 })
      return carryOut(this.machine, this.now, order)
    })
    return Option.some({ name, orders, answers })
  }

  /** The message, when its last part has come. */
  private join({ client, count, part, parts }: Name, data: Uint8Array): Uint8Array | undefined {
    for (const [key, { since }] of this.parts) if (this.now - since > togetherness) this.parts.delete(key)
    if (parts === 1) return data
    const key = `${client}.${count}`
    const { found, since } = this.parts.get(key) ?? { since: this.now, found: [] }
    if (part !== found.length) return undefined
    found.push(data)
    if (found.length < parts) {
      this.parts.set(key, { since, found })
      return undefined
    }
    this.parts.delete(key)
    return Buffer.concat(found)
  }
}
