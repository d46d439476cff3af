import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LogBackend, LogEntry } from "heddle/messaging"
import { LogTail } from "heddle/messaging"
import type { Redis } from "../Redis.ts"
import { kvListen } from "./kvListen.ts"
import { escape } from "./leaseKeys.ts"
import * as Script from "./logScript.ts"
import { isReply, passes } from "./passes.ts"
import { unavailable } from "./unavailable.ts"

/** All keys of a log hash to one slot, and so does its channel. */
export const logKeys = (prefix: string, log: string) => {
  const start = `${escape(prefix)}:log:{${escape(prefix)}:log:${log}}`
  return { keys: [`${start}:entries`, `${start}:meta`], channel: `${start}:news` }
}

/** The steps of a store of logs on these connections. `recheck`: milliseconds. */
export const logSteps = (
  { address, commandTimeout, commands, subscriber }: Redis["Service"],
  prefix: string,
  recheck: number
): Effect.Effect<LogBackend.Steps, never, Scope.Scope> => {
  const script = subscriber.sharded ? Script.shardedLogScript : Script.logScript
  const failure = (error: unknown) => unavailable(address, error)
  const refusal = (error: unknown) => isReply(error) && !passes(error.message) ? failure(error) : undefined

  const call = async (log: string, args: Script.Args): Promise<Script.Reply> => {
    const { keys } = logKeys(prefix, log)
    const rest = [keys.length, ...keys, ...args]
    // What is called with is what the script reads and answers.
    const send = (command: "evalsha" | "eval", what: string) =>
      commands.callBuffer(command, [what, ...rest]) as Promise<Script.Reply>
    try {
      return await send("evalsha", script.sha)
    } catch (error) {
      if (isReply(error) && error.message.startsWith("NOSCRIPT")) return await send("eval", script.lua)
      throw error
    }
  }

  const ask = <A>(
    log: string,
    args: Script.Args,
    read: (reply: Script.Reply) => A
  ): Effect.Effect<A, LogEntry.StoreUnavailable> =>
    Effect.map(Effect.tryPromise({ try: () => call(log, args), catch: failure }), read)

  const steps: LogBackend.Steps = {
    append: (log, entries, keep) =>
      ask(log, Script.append(logKeys(prefix, log).channel, entries, keep), Script.offsetsOf),
    place: (log, from) => ask(log, Script.place(from), Script.placeOf),
    tail: LogTail.tail({
      recheck,
      refusal,
      listen: (log, wake) =>
        kvListen({
          subscriber,
          channel: logKeys(prefix, log).channel,
          hearer: { onMessage: wake, onAgain: wake },
          refusal
        }),
      page: (log, from) =>
        Effect.map(
          Effect.tryPromise({ try: () => call(log, Script.read(from, most)), catch: (error) => error }),
          Script.pageOf
        )
    }),
    attach: (log, consumer) => ask(log, Script.attach(consumer), Script.attachedOf),
    commit: (log, consumer, token, offset) => ask(log, Script.commit(consumer, token, offset), (reply) => reply === 1),
    position: (log, consumer) => ask(log, Script.position(consumer), Script.positionOf)
  }
  // A silent connection for publications is noticed, and replaced, by a question that it does not answer.
  const ping = Effect.andThen(Effect.sleep(commandTimeout / 8), Effect.sync(() => subscriber.ping()))
  return Effect.as(Effect.forkScoped(Effect.forever(ping)), steps)
}

const most = 500
