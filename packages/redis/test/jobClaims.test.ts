import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Job, JobBackend } from "heddle/messaging"
import { jobClaims } from "../src/internal/jobClaims.ts"
import { JobNews } from "../src/internal/jobNews.ts"
import type { Args, Reply } from "../src/internal/kvScript.ts"
import type { Hearer, Subscriber } from "../src/internal/Subscriber.ts"

const claim: JobBackend.Claim = { queue: "q", max: 1, ttl: 60_000, owner: "me", wait: true }
/** `[-1, [["a", 7, 1, 10, "", "x", "", 0]], 7, 0]`, packed, a character a byte: job `a` with token 7. */
const granted = "\x94\xff\x91\x98\xa1a\x07\x01\x0a\xa0\xa1x\xa0\x00\x07\x00"
const nothing: Reply = [-1, [], 0, 1_700_000_000_000]

/** The claims of a store whose server answers when it is told to. */
const making = Effect.gen(function*() {
  const hearers = new Map<string, Hearer>()
  const subscriber: Subscriber = {
    sharded: false,
    join: (channel, hearer) => {
      hearers.set(channel, hearer)
      return Promise.resolve()
    },
    leave: () => {},
    joinPattern: () => Promise.resolve(),
    leavePattern: () => {},
    ping: () => {}
  }
  const answer = yield* Deferred.make<Reply>()
  const sent: Array<Args> = []
  const claims = jobClaims({
    news: new JobNews(subscriber, () => 0, () => {}),
    now: () => 0,
    session: "s",
    startOf: (queue) => queue,
    request: (_, args, read) => {
      sent.push(args)
      return Effect.map(Deferred.await(answer), (reply) => read(reply, 0))
    },
    sendUnsafe: (_, args) => void sent.push(args)
  })
  const tell = (message: string) => hearers.get("q:to:s")?.onMessage(message)
  return { answer, claims, sent, tell }
})

const words = (sent: ReadonlyArray<Args>) => sent.map(([word]) => word)

describe("a claim on Redis that listens", () => {
  it.effect("keeps what it was given before it was answered that there is nothing", () =>
    Effect.gen(function*() {
      const { answer, claims, sent, tell } = yield* making
      const given: Array<Job.Claimed> = []
      yield* Effect.scoped(Effect.gen(function*() {
        yield* claims.listen(claim, () => {}, (jobs) => void given.push(...jobs))
        const taking = yield* Effect.forkScoped(claims.take(claim), { startImmediately: true })
        tell(`s.1\n${granted}`)
        yield* Deferred.succeed(answer, nothing)
        assert.deepStrictEqual((yield* Fiber.join(taking)).jobs, [])
      }))
      assert.deepStrictEqual(given.map(({ id, token }) => [id, token]), [["a", 7n]])
      assert.deepStrictEqual(words(sent), ["claim"])
    }))

  it.effect("takes back its place where it was given nothing", () =>
    Effect.gen(function*() {
      const { answer, claims, sent } = yield* making
      yield* Deferred.succeed(answer, nothing)
      yield* Effect.scoped(Effect.andThen(claims.listen(claim, () => {}, () => {}), claims.take(claim)))
      assert.deepStrictEqual(words(sent), ["claim", "leave"])
    }))
})
