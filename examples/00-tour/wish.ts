import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Example, flagship, inOrder, lineOf } from "./catalogue.ts"

/** What somebody wants to see. */
export type Wish =
  | { readonly _tag: "Menu" }
  | { readonly _tag: "Help" }
  | { readonly _tag: "Run"; readonly example: Example; readonly args: ReadonlyArray<string> }

/** There is no such example. The message has those that there are. */
export class UnknownExample extends Schema.TaggedError<UnknownExample>()("UnknownExample", {
  asked: Schema.String,
  list: Schema.String
}) {
  override get message(): string {
    return `there is no example ${this.asked}. There are:\n${this.list}`
  }
}

/** The example whose lock is the main job of the repository: flags without a number are for it. */
const mainJob = "01"

/**
 * Reads the command line: a number and what is meant for that example, `--all` for the flagship, flags alone for the main job, and
 * nothing for the menu, or for the flagship where nobody can choose.
 */
export const read = (
  args: ReadonlyArray<string>,
  all: ReadonlyArray<Example>,
  canChoose: boolean
): Effect.Effect<Wish, UnknownExample> => {
  const run = (asked: string, rest: ReadonlyArray<string>): Effect.Effect<Wish, UnknownExample> => {
    const number = asked.padStart(2, "0")
    const found = Option.fromUndefinedOr(all.find((example) => example.number === number))
    return Option.match(found, {
      onNone: () => Effect.fail(new UnknownExample({ asked, list: listOf(all, 120) })),
      onSome: (example) => Effect.succeed({ _tag: "Run", example, args: rest })
    })
  }
  const [first, ...rest] = args
  if (first === undefined) return canChoose ? Effect.succeed({ _tag: "Menu" }) : run(flagship, [])
  if (first === "--help" || first === "-h") return Effect.succeed({ _tag: "Help" })
  if (!first.startsWith("-")) return run(first, rest)
  return args.includes("--all") ? run(flagship, args.filter((arg) => arg !== "--all")) : run(mainJob, args)
}

const listOf = (all: ReadonlyArray<Example>, width: number): string =>
  inOrder(all).map((example) => `  ${lineOf(example, width - 2)}`).join("\n")

/** How to use it. */
export const help = (all: ReadonlyArray<Example>, width: number): string =>
  `npm start                          the menu; the flagship (${flagship}) where there is no terminal
npm start -- --all                 the flagship, straight through
npm start -- 07                    one example
npm start -- 07 --backend redis    with what is meant for it
npm start -- --backend redis       flags alone are for the main job, ${mainJob}

${listOf(all, width)}`
