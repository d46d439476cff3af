import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { tryLock, unlock } from "./PidLock.ts"

// Below the range from which systems give out ports by themselves, so that a server that was killed finds its port free
// again. A lock file keeps other test processes away from a port while its server is down.
const first = 20_000
const count = 12_000

/** Reserves a free loopback port until the scope closes. */
export const reserve: Effect.Effect<number, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.suspend(() => {
      const folder = join(tmpdir(), `heddle-ports-${userInfo().uid}`)
      mkdirSync(folder, { recursive: true })
      const from = Math.floor(Math.random() * count)
      const attempt = (n: number): Effect.Effect<{ readonly port: number; readonly lock: string }> => {
        if (n === count) return Effect.die(new Error(`No free port from ${first} to ${first + count}`))
        const port = first + (from + n) % count
        const lock = join(folder, String(port))
        if (!tryLock(lock)) return attempt(n + 1)
        return Effect.flatMap(isFree(port), (free) => {
          if (free) return Effect.succeed({ port, lock })
          unlock(lock)
          return attempt(n + 1)
        })
      }
      return attempt(0)
    }),
    ({ lock }) => Effect.sync(() => unlock(lock))
  ),
  ({ port }) => port
)

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const probe = createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(true))))
  })
