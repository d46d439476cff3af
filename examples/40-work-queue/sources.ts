import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { createHash } from "node:crypto"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { type Entry, Unreadable } from "./queue.ts"

const folder = join(dirname(createRequire(import.meta.url).resolve("effect/package.json")), "src")

/** The source files of the installed `effect` package, in order. */
export const list = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const found = yield* files.readDirectory(folder, { recursive: true })
  return found.filter((path) => path.endsWith(".ts")).sort()
})

/** Hashes a file, and finds the names that it exports. */
export const entryOf = (path: string): Effect.Effect<Entry, Unreadable, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const bytes = yield* Effect.mapError(
      files.readFile(join(folder, path)),
      ({ message }) => new Unreadable({ message })
    )
    const exports = new Set(Array.from(new TextDecoder().decode(bytes).matchAll(exported), ([, name = ""]) => name))
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    return { path, sha256, bytes: bytes.length, exports: [...exports].sort() }
  })

const exported = /^export (?:declare )?(?:const|function|class|interface|type|namespace) (\w+)/gm
