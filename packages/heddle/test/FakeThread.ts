import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Worker from "effect/workers/Worker"
import { WorkerError, WorkerReceiveError } from "effect/workers/WorkerError"
import * as WorkerRunner from "effect/workers/WorkerRunner"

/** What a thread runs. */
export type Program = Effect.Effect<void, WorkerError, WorkerRunner.WorkerRunnerPlatform>

/**
 * A thread that is a fiber: messages are cloned and arrive in order, and an end of it comes in the midst of what it does. What it says
 * is on its way for a turn, and arrives before its end is known, unless it is one whose last words are lost.
 */
export class FakeThread {
  handle: (message: unknown) => void = () => {}
  /** What is said before anybody listens is kept until somebody does. */
  emit: (message: unknown) => void = (message) => void this.early.push(message)
  readonly early: Array<unknown> = []
  exited: () => void = () => {}
  private readonly fiber: Fiber.Fiber<void, WorkerError>
  private readonly fork: (effect: Effect.Effect<void, WorkerError>) => Fiber.Fiber<void, WorkerError>
  private under: ReadonlyArray<unknown> = []
  constructor(
    program: Program,
    fork: (effect: Effect.Effect<void, WorkerError>) => Fiber.Fiber<void, WorkerError>,
    losesLastWords: boolean
  ) {
    this.fork = fork
    const runner: WorkerRunner.WorkerRunner<unknown, unknown> = {
      run: (handler) =>
        Effect.suspend(() => {
          this.handle = (message) => void handler(0, message)
          this.say([0])
          return Effect.never
        }),
      send: (port, message) => Effect.sync(() => runner.sendUnsafe(port, message)),
      sendUnsafe: (_, message) => this.say([1, structuredClone(message)])
    }
    const start = () => Effect.succeed(runner)
    const platform = WorkerRunner.WorkerRunnerPlatform.of({ start: start as never })
    this.fiber = fork(
      Effect.provideService(Effect.andThen(Effect.yieldNow, program), WorkerRunner.WorkerRunnerPlatform, platform)
    )
    this.fiber.addObserver(() => {
      this.handle = () => {}
      const lastWords = losesLastWords ? [] : this.under
      for (const message of lastWords) this.emit(message)
      this.under = []
      this.emit = () => {}
      this.exited()
    })
  }

  private say(message: unknown): void {
    this.under = [...this.under, message]
    const arrive = Effect.sync(() => {
      const [first, ...others] = this.under
      this.under = others
      if (first !== undefined) this.emit(first)
    })
    this.fork(Effect.andThen(Effect.yieldNow, arrive))
  }

  terminate(): void {
    this.fiber.interruptUnsafe()
  }
}

/** Threads of which the n-th runs what it is given. */
export const fakeThreads = (
  program: (id: number, terminate: () => void) => Program,
  { losesLastWords = false }: { readonly losesLastWords?: boolean } = {}
): Layer.Layer<Worker.WorkerPlatform | Worker.Spawner> =>
  Layer.merge(
    Layer.effect(
      Worker.Spawner,
      Effect.contextWith((context: Context.Context<never>) => {
        const fork = Effect.runForkWith(context)
        return Effect.succeed((id: number) => {
          const thread: FakeThread = new FakeThread(program(id, () => thread.terminate()), fork, losesLastWords)
          return thread
        })
      })
    ),
    Layer.succeed(
      Worker.WorkerPlatform,
      Worker.makePlatform<FakeThread>()({
        setup: ({ scope, worker }) => {
          const postMessage = (message: readonly [number, unknown], transfer?: ReadonlyArray<never>) => {
            const [, order] = message
            const cloned = order instanceof SharedArrayBuffer
              ? order
              : structuredClone(order, { transfer: [...transfer ?? []] })
            worker.handle(cloned)
          }
          return Effect.as(Scope.addFinalizer(scope, Effect.sync(() => worker.terminate())), { worker, postMessage })
        },
        listen: ({ deferred, emit, port: { worker } }) =>
          Effect.sync(() => {
            worker.emit = emit
            for (const message of worker.early) emit(message)
            worker.exited = () => {
              const reason = new WorkerReceiveError({ message: "the thread has ended" })
              Deferred.doneUnsafe(deferred, Exit.fail(new WorkerError({ reason })))
            }
          })
      })
    )
  )
