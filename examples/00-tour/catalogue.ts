import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { fileURLToPath } from "node:url"

/** An example, as its folder tells it. */
export interface Example {
  readonly number: string
  readonly folder: string
  readonly title: string
  /** What to watch for. */
  readonly watch: string
  /** Where it can run, `memory` first. */
  readonly backends: ReadonlyArray<Backend>
  /** Whether it reads `--backend` and all other flags itself, and starts its servers; else the tour does so. */
  readonly readsFlags: boolean
}

export const servers = ["redis", "etcd", "postgres", "nats", "rabbitmq"] as const
export type Backend = "memory" | typeof servers[number]

/** The example that shows all patterns together. */
export const flagship = "99"

const root = fileURLToPath(new URL("..", import.meta.url))

const Manifest = Schema.fromJsonString(Schema.Struct({
  description: Schema.String,
  dependencies: Schema.Record(Schema.String, Schema.String)
}))

/** All examples in the order of their numbers. Title and backends are read from their folders: nobody keeps a second list. */
export const examples = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const folders = (yield* files.readDirectory(root)).filter((name) => /^\d\d-/.test(name) && name !== "00-tour")
  return yield* Effect.forEach(folders.sort(), (name) =>
    Effect.gen(function*() {
      const folder = `${root}${name}`
      const { dependencies, description } = yield* Schema.decodeEffect(Manifest)(
        yield* files.readFileString(`${folder}/package.json`)
      )
      const program = yield* files.readFileString(`${folder}/main.ts`)
      const [first = ""] = (yield* files.readFileString(`${folder}/README.md`)).split("\n")
      const example: Example = {
        number: name.slice(0, 2),
        folder,
        title: first.replace(/^# /, ""),
        watch: description,
        backends: ["memory", ...servers.filter((server) => `@heddle/${server}` in dependencies)],
        readsFlags: program.includes("effect/cli/Flag")
      }
      return example
    }))
})

/** The flagship, and then the others by number. */
export const inOrder = (all: ReadonlyArray<Example>): ReadonlyArray<Example> => [
  ...all.filter(({ number }) => number === flagship),
  ...all.filter(({ number }) => number !== flagship)
]

/** Examples as a list, a line each, no longer than `width`. */
export const lineOf = ({ number, title, watch }: Example, width: number): string => {
  const line = `${number}  ${title.padEnd(24)}  ${watch}`
  return line.length > width ? `${line.slice(0, width - 1)}…` : line
}
