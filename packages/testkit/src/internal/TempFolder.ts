import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isAlive } from "./PidLock.ts"

let swept = false

/** A folder `heddle-<process id>-<name>-…` under the system's temp folder, removed when the scope closes. */
export const make = (name: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      if (!swept) sweep()
      swept = true
      return mkdtempSync(join(tmpdir(), `heddle-${process.pid}-${name}-`))
    }),
    (folder) => Effect.sync(() => remove(folder))
  )

// A runner that was killed could not remove its folders: the next one does.
const sweep = (): void => {
  for (const entry of readdirSync(tmpdir())) {
    const owner = /^heddle-(\d+)-/.exec(entry)?.[1]
    if (owner !== undefined && !isAlive(Number(owner))) remove(join(tmpdir(), entry))
  }
}

const remove = (folder: string): void => {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  } catch {
    // Another user's, or still being written to by a server that is about to end: left for the next sweep.
  }
}
