// Eight items go through three stages of different speed; one is bad, and is told with its stage and its error.
//   node --conditions=@heddle/source examples/14-pipeline/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Pipeline } from "heddle/flow"
import { fileURLToPath } from "node:url"

interface Item {
  readonly id: number
  readonly data: string | number | null
}

class InvalidData extends Data.TaggedError("InvalidData")<{ readonly message: string }> {}

const validate = ({ data, id }: Item) =>
  data === null ? Effect.fail(new InvalidData({ message: "no value" })) : Effect.succeed({ id, data })

const transform = ({ data, id }: { readonly id: number; readonly data: string | number }) =>
  Effect.succeed({ id, data: typeof data === "number" ? data * 2 : `transformed: ${data}` })

/** The later an item, the faster it is looked up: they would overtake each other. */
const enrich = (item: { readonly id: number; readonly data: string | number }) =>
  Effect.as(Effect.sleep((9 - item.id) * 10), { ...item, length: String(item.data).length })

const items: ReadonlyArray<Item> = ["one", "two", "three", 42, null, "six", "seven", "eight"]
  .map((data, at) => ({ id: at + 1, data }))

/** What came out, in order, what failed and why, and the accounts. */
export const scene = Effect.gen(function*() {
  const failed: Array<string> = []
  const pipeline = Pipeline.make<Item>("items").pipe(
    Pipeline.stage("validate", validate, {
      onError: {
        route: ({ cause, item, stage }) =>
          Effect.sync(() => {
            const why = cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error.message : reason._tag)
            failed.push(`item ${item.id} in ${stage}: ${why.join(", ")}`)
          })
      }
    }),
    Pipeline.stage("transform", transform),
    Pipeline.stage("enrich", enrich, { concurrency: 3, buffer: 4 })
  )
  const { stats, stream } = yield* Pipeline.start(pipeline, Stream.fromIterable(items))
  const done = yield* Stream.runCollect(stream)
  return { diagram: Pipeline.describe(pipeline), done, failed, stats: yield* stats }
}).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { diagram, done, failed, stats } = yield* scene
    for (const { data, id } of done) yield* Console.log(`${id}: ${data}`)
    for (const line of failed) yield* Console.log(`failed: ${line}`)
    yield* Console.log(
      `${stats.in} in = ${stats.out} out + ${stats.failed} failed + ${stats.dropped} dropped\n\n${diagram}`
    )
  }))
}
