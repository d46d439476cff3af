import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Board from "./board.ts"
import type { Crew } from "./crew.ts"
import * as Entry from "./entry.ts"
import * as IndexFile from "./indexFile.ts"
import * as Parse from "./parse.ts"
import { chunks, type News, newsOf, type Run } from "./run.ts"
import type { Screen } from "./screen.ts"
import * as Strikes from "./strikes.ts"

/** What was done, and the index that came of it. */
export interface Report {
  readonly board: Board.Board
  readonly files: ReadonlyArray<string>
  readonly merged: ReadonlyArray<number>
  readonly entry: Entry.Entry
  readonly struck: Strikes.Struck
  /** Whether all who were asked to end left nothing undone. */
  readonly isClean: boolean
  readonly millis: number
}

/** Every worker ended before the index was complete. */
export class NobodyLeft extends Schema.TaggedError<NobodyLeft>()("NobodyLeft", { why: Schema.String }) {
  override get message(): string {
    return `no worker is left: ${this.why}`
  }
}

interface Options {
  readonly run: Run
  readonly workers: number
  /** Whether one worker is killed and the leader stopped. */
  readonly strikes: boolean
  readonly screen: Screen
}

/** Indexes all sources with a crew, and shuts it down. Who watches needs only the news, and the index itself from time to time. */
export const indexTogether = <R>(crew: Crew<R>, { run, screen, strikes, workers }: Options) =>
  Effect.gen(function*() {
    yield* IndexFile.create(run.index)
    const all = yield* chunks
    const board = Board.make(workers, all.length)
    const { messages } = yield* newsOf(run).subscribe({ buffer: 100_000 })

    const members = yield* Effect.forEach(Arr.range(1, workers), (worker) => crew.start(run, worker), {
      concurrency: "unbounded"
    })
    const started = yield* Clock.currentTimeMillis
    yield* Effect.forEach(members, ({ begin }) => begin)
    const struck = yield* Strikes.make({ board, crew, members, say: screen.say })

    let why = "they ended without a word"
    const hear = (news: News) =>
      Effect.gen(function*() {
        Board.note(board, news)
        if (news._tag === "Failed") why = news.message
        if (news._tag === "Leads") yield* screen.say(`worker ${news.worker} leads, in term ${news.term}`)
        if (news._tag === "Circuit" && news.state === "open" && board.rows[news.worker - 1]?.opened === 1) {
          yield* screen.say(`worker ${news.worker} leaves the catalogue alone for a moment: its circuit is open`)
        }
        if (strikes) yield* struck.hear(news)
        yield* screen.show(board)
      })
    // News can be missed, the index cannot.
    const look = Effect.gen(function*() {
      for (const chunk of (yield* IndexFile.read(run.index)).merged) board.merged.add(chunk)
      yield* screen.show(board)
    })
    const complete = Stream.map(messages, ({ value }) => Option.some(value)).pipe(
      Stream.merge(Stream.as(Stream.tick("1 second"), Option.none<News>())),
      Stream.mapEffect(Option.match({ onNone: () => look, onSome: hear })),
      Stream.takeUntil(() => board.merged.size === board.total),
      Stream.runDrain
    )
    const nobodyLeft = Effect.forEach(members, ({ ended }) => ended, { concurrency: "unbounded" }).pipe(
      Effect.andThen(Effect.suspend(() => new NobodyLeft({ why })))
    )
    yield* Effect.raceFirst(complete, nobodyLeft)

    yield* screen.say("the index is complete; all workers are shut down")
    const done = yield* struck.settled
    const alive = members.filter((_, index) => board.rows[index]?.isGone === false)
    const ends = yield* Effect.forEach(alive, ({ stop }) => stop, { concurrency: "unbounded" })
    const millis = (yield* Clock.currentTimeMillis) - started
    const index = yield* IndexFile.read(run.index)
    const report: Report = {
      board,
      files: all.flatMap(({ files }) => files),
      merged: index.merged,
      entry: IndexFile.entryOf(index),
      struck: done,
      isClean: done.isClean && ends.every((clean) => clean),
      millis
    }
    return report
  }).pipe(Effect.scoped)

/** Whether each chunk was merged once, and the index equals what one alone finds, one file after the other. */
export const isExact = ({ board, entry, files, merged }: Report) =>
  Effect.map(
    Parse.alone(files),
    (alone) => merged.length === board.total && new Set(merged).size === board.total && Entry.equals(alone, entry)
  )
