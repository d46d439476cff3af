/** The calls that a server works on, each in a fiber of its own. */
import type { Metadata as Wire } from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Deadline } from "heddle/resilience"
import { GrpcCall } from "../GrpcCall.ts"
import { GrpcError } from "../GrpcError.ts"
import type { Middleware } from "../GrpcServer.ts"
import type { HandlerError } from "../GrpcService.ts"
import { fromWire, toWire } from "./metadata.ts"
import type { Method } from "./method.ts"
import { serverObserver } from "./metrics.ts"
import type { Exchange } from "./respond.ts"
import { toStatus } from "./status.ts"
import { serverSpan, toldStatus } from "./trace.ts"

export class Calls<R> {
  private readonly context: Context.Context<R>
  private readonly middleware: Middleware<R>
  private readonly fibers = new Map<Fiber.Fiber<void, HandlerError>, string>()
  private readonly waiting = new Set<() => void>()
  private closing = false

  constructor(context: Context.Context<R>, middleware: Middleware<R>) {
    this.context = context
    this.middleware = middleware
  }

  /** Takes the calls of one method. */
  take(method: Method<R>): (exchange: Exchange) => void {
    const observe = serverObserver(method.name)
    return ({ call, fail, io, succeed }) => {
      const began = performance.now()
      const ends = toMillis(call.getDeadline())
      const metadata = fromWire(call.metadata)
      let answer: Buffer | undefined
      let trailers: Wire | undefined
      const outcome = (exit: Exit.Exit<void, HandlerError>) =>
        Exit.isSuccess(exit) ? undefined : this.failureOf(exit.cause, ends)
      const service = GrpcCall.of({
        method: method.name,
        metadata,
        peer: call.getPeer(),
        sendMetadata: (sent) => Effect.map(toWire(sent), (wire) => call.sendMetadata(wire)),
        setTrailers: (sent) =>
          Effect.map(toWire(sent), (wire) => {
            trailers = wire
          })
      })
      const handled = Effect.map(method.run(io), (bytes) => {
        answer = bytes
      })
      const work = this.middleware(handled).pipe(
        Deadline.within(ends - Date.now(), method.name),
        Effect.onExit((exit) => {
          const told = toldStatus(outcome(exit)?.code ?? "OK")
          return Exit.isFailure(exit) && Cause.hasDies(exit.cause)
            ? Effect.andThen(told, Effect.logError(`${method.name} died`, exit.cause))
            : told
        })
      )
      const traced = serverSpan(method.name, metadata["traceparent"], work)
      const fiber = Effect.runForkWith(Context.add(this.context, GrpcCall, service))(traced)
      this.fibers.set(fiber, method.name)
      call.on("cancelled", () => fiber.interruptUnsafe())
      fiber.addObserver((exit) => {
        const failure = outcome(exit)
        observe(failure?.code ?? "OK", began, this.context)
        if (failure === undefined) succeed(answer, trailers)
        else fail(toStatus(failure))
        this.fibers.delete(fiber)
        if (this.fibers.size === 0) { for (const tell of this.waiting) tell() }
      })
      if (this.closing || call.cancelled) fiber.interruptUnsafe()
    }
  }

  /** The methods of the calls that have not ended. */
  inFlight(): ReadonlyArray<string> {
    return [...this.fibers.values()]
  }

  /** Waits until no call is left. */
  readonly empty: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const tell = () => {
      this.waiting.delete(tell)
      resume(Effect.void)
    }
    if (this.fibers.size === 0) return resume(Effect.void)
    this.waiting.add(tell)
    return Effect.sync(() => this.waiting.delete(tell))
  })

  /** Interrupts what is left, and waits for it. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.closing = true
    return Fiber.interruptAll(this.fibers.keys())
  })

  private failureOf(cause: Cause.Cause<HandlerError>, ends: number): GrpcError {
    if (Cause.hasDies(cause)) return new GrpcError({ code: "INTERNAL", message: "internal error" })
    const failed = cause.reasons.find((reason) => reason._tag === "Fail")
    if (failed?.error._tag === "GrpcError") return failed.error
    if (failed !== undefined) return late
    if (this.closing) return new GrpcError({ code: "UNAVAILABLE", message: "the server closes" })
    return Date.now() >= ends ? late : new GrpcError({ code: "CANCELLED", message: "the call was cancelled" })
  }
}

const late = new GrpcError({ code: "DEADLINE_EXCEEDED", message: "the deadline is over" })

const toMillis = (deadline: Date | number): number => deadline instanceof Date ? deadline.getTime() : deadline
