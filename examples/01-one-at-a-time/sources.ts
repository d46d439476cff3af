import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as Tally from "./tally.ts"

const folder = join(dirname(createRequire(import.meta.url).resolve("effect/package.json")), "src")

/** Where a source file of `effect` is. */
export const at = (path: string): string => join(folder, path)

/** The source files of the installed `effect` package, in order. */
export const list = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const found = yield* files.readDirectory(folder, { recursive: true })
  return found.filter((path) => path.endsWith(".ts")).sort()
})

/** Tallies the names of some files, one file after the other. */
export const tally = (paths: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const sum: Tally.Tally = new Map()
    for (const path of paths) Tally.add(sum, Tally.of(yield* files.readFileString(at(path))))
    return sum
  })
