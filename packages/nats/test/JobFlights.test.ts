import { assert, it } from "@effect/vitest"
import { JobMachine } from "heddle/messaging"
import { JobFlights, type Request } from "../src/internal/JobFlights.ts"
import type { Answer } from "../src/internal/jobOrders.ts"

const flightsAt = (time: { now: number }) => {
  const sent: Array<string> = []
  let count = 0
  const sender = {
    streams: {
      add: (_: string, name: string) => {
        sent.push(name)
        return Promise.resolve({ stream: "log", seq: sent.length, duplicate: false })
      }
    },
    client: "me",
    fresh: () => ++count,
    now: () => time.now,
    room: 1000
  }
  return { sent, flights: new JobFlights("queue", sender, () => {}) }
}

const claim = (until: number) => ({
  args: { order: { _tag: "Claim", max: 1, ttl: 1000, owner: "me" } } satisfies Request,
  size: 0,
  again: true,
  until,
  onReply: () => {},
  onFail: () => {}
})
const read = { machine: new JobMachine.JobMachine(), now: 0 }
const granted: ReadonlyArray<Answer> = [{
  granted: [{
    id: "a",
    token: 1,
    attempt: 1,
    maxAttempts: 1,
    key: undefined,
    payload: new Uint8Array(),
    headers: {},
    age: 0
  }]
}]

it("a message is answered once, and what was answered is nobody's when the log is read anew", () => {
  const { flights } = flightsAt({ now: 0 })
  const told: Array<unknown> = []
  flights.send([claim(10)], (answers) => told.push(answers), (error) => told.push(error))
  assert.deepStrictEqual(flights.land(1, granted, read), [])
  assert.deepStrictEqual(flights.land(1, granted, read), [])
  assert.deepStrictEqual(told, [granted])
})

it("what is claimed by a message that was given up is told once, so that it goes back", () => {
  const time = { now: 0 }
  const { flights } = flightsAt(time)
  const told: Array<string> = []
  // All of a message are given up together.
  flights.send([claim(10), claim(20)], () => told.push("answer"), (_, fate) => told.push(fate))
  time.now = 15
  assert.strictEqual(flights.look(15), 20)
  assert.strictEqual(flights.look(20), Infinity)
  assert.deepStrictEqual(told, ["lost"])
  assert.deepStrictEqual(flights.land(1, granted, read).map(({ id }) => id), ["a"])
  assert.deepStrictEqual(flights.land(1, granted, read), [])
})

it("what is sent again has the name that it had, in as many parts", () => {
  const { flights, sent } = flightsAt({ now: 0 })
  const entry = { headers: {}, key: undefined, priority: 0, delay: 0, maxAttempts: 1, keep: 0 }
  const order = { _tag: "Enqueue", entries: [{ ...entry, id: "a", payload: new Uint8Array(2500) }] } as const
  flights.send([{ ...claim(10), args: { order } }], () => {}, () => {})
  assert.deepStrictEqual(sent, ["me.1.0.3", "me.1.1.3", "me.1.2.3"])
  flights.sendAgain()
  assert.deepStrictEqual(sent.slice(3), sent.slice(0, 3))
})
