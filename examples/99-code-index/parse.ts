import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { Pipeline } from "heddle/flow"
import * as Sources from "../01-one-at-a-time/sources.ts"
import * as Tally from "../01-one-at-a-time/tally.ts"
import * as Entry from "./entry.ts"

const read = (path: string) => Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(Sources.at(path)))

const count = (source: string) => Effect.sync(() => ({ source, names: Tally.of(source) }))

/** Files go in, and what they hold comes out: read, parsed one at a time, and enriched by the catalogue. */
export const make = <E>(kindsOf: (source: string) => Effect.Effect<Tally.Tally, E>) => {
  const enrich = ({ names, source }: { readonly source: string; readonly names: Tally.Tally }) =>
    Effect.map(kindsOf(source), (kinds) => ({ names, kinds }))
  const pipeline = Pipeline.make<string>("code-index").pipe(
    Pipeline.stage("read", read, { concurrency: 2 }),
    Pipeline.stage("parse", count),
    Pipeline.stage("enrich", enrich, { concurrency: 2, order: "none" })
  )
  return (files: ReadonlyArray<string>) =>
    Stream.runFold(Pipeline.stream(pipeline, Stream.fromIterable(files)), Entry.empty, Entry.add)
}

/** The same by one alone, one file after the other, with a catalogue that always answers. */
export const alone = (files: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const sum = Entry.empty()
    for (const path of files) {
      const source = yield* read(path)
      Entry.add(sum, { names: Tally.of(source), kinds: Entry.kindsOf(source) })
    }
    return sum
  })
