/** One run of a work: which of its parts run, how long, and where their figures go. */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import type { CrewFailed, Entry } from "./Crew.ts"
import { start } from "./Crew.ts"
import { type Plan, type Results, run } from "./rounds.ts"

/** What the command line asks for. */
export interface Wish {
  /** One round, a third of its time. */
  readonly quick: boolean
  /** Only the parts whose titles contain it, in whatever case. */
  readonly only: string | undefined
}

/** A contender's name in the tables, and the file that exports its `open`. */
export type Contending = readonly [name: string, file: string]

/** One part of a work: contenders beside each other on one server, the first of them as the yardstick. */
export interface Part<E, R> {
  readonly title: string
  readonly contenders: ReadonlyArray<Contending>
  /** How many processes each contender runs in. */
  readonly processes: number
  readonly server: Effect.Effect<{ readonly url: string }, E, R>
  readonly plan: Pick<Plan, "tasks" | "millis" | "rounds">
  readonly table: (results: Results, first: string) => string
  /** What goes to the file. */
  readonly summary: (results: Results) => unknown
}

/** The parts of one work that are asked for, run one after the other. */
export class Work {
  readonly quick: boolean
  private readonly name: string
  private readonly only: string
  private readonly from: string
  private readonly began = performance.now()
  private readonly figures = new Map<string, unknown>()
  /** `from`: the module that the contenders' files are named from. */
  constructor(name: string, { only, quick }: Wish, from: string) {
    this.name = name
    this.quick = quick
    this.only = only?.toLowerCase() ?? ""
    this.from = from
  }

  wants(title: string): boolean {
    return title.toLowerCase().includes(this.only)
  }

  entry([name, file]: Contending, url: string): Entry {
    return { name, module: new URL(file, this.from), url }
  }

  readonly compare = <E, R>(
    { contenders, plan, processes, server, summary, table, title }: Part<E, R>
  ): Effect.Effect<void, E | CrewFailed, R> =>
    this.part(
      title,
      Effect.flatMap(server, ({ url }) =>
        Effect.scoped(Effect.gen({ self: this }, function*() {
          const entries = contenders.map((contending) => this.entry(contending, url))
          const crews = yield* Effect.forEach(entries, (entry) => start(entry, processes))
          const shortened = this.quick ? { ...plan, rounds: 1, millis: plan.millis / 3 } : plan
          const results = yield* run(title, { ...shortened, crews })
          return [table(results, entries[0]?.name ?? ""), summary(results)] as const
        })))
    )

  /** Runs a part if it is asked for; it answers its table and its figures. */
  readonly part = <E, R>(
    title: string,
    measure: Effect.Effect<readonly [table: string, figures: unknown], E, R>
  ): Effect.Effect<void, E, R> =>
    Effect.suspend(() => {
      if (!this.wants(title)) return Effect.void
      process.stderr.write(`${title}: starting\n`)
      return Effect.map(measure, ([table, figures]) => {
        this.figures.set(title, figures)
        process.stdout.write(`\n${title}\n\n${table}\n`)
      })
    })

  /** Writes the figures beside those of parts that did not run this time. */
  readonly save = Effect.sync(() => {
    const file = `.cache/bench/${this.name}.json`
    mkdirSync(".cache/bench", { recursive: true })
    const before: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
    const all = Object.assign({}, before, Object.fromEntries(this.figures))
    writeFileSync(file, JSON.stringify(all, null, 2))
    const seconds = ((performance.now() - this.began) / 1000).toFixed()
    process.stderr.write(`\n${seconds} s; also in ${file}\n`)
  })
}
