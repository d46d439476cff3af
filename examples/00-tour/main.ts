// The tour: what `npm start` begins with.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { type Example, examples } from "./catalogue.ts"
import { Ended, run } from "./launch.ts"
import * as Menu from "./menu.ts"
import * as Wish from "./wish.ts"

/** One example after the other, until somebody leaves. */
const menu = (all: ReadonlyArray<Example>) =>
  Effect.gen(function*() {
    for (;;) {
      const chosen = yield* Menu.choose(all)
      if (Option.isNone(chosen)) return 0
      const { args, example } = chosen.value
      yield* Console.log(`npm start -- ${[example.number, ...args].join(" ")}\n`)
      yield* run(example, args)
      yield* Console.log("")
    }
  })

const main = Effect.gen(function*() {
  const all = yield* examples
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  const wish = yield* Wish.read(yield* (yield* Stdio.Stdio).args, all, canPrompt)
  if (wish._tag === "Help") return yield* Console.log(Wish.help(all, process.stdout.columns ?? 120))
  const code = yield* wish._tag === "Menu" ? menu(all) : run(wish.example, wish.args)
  if (code !== 0) return yield* new Ended({ code })
}).pipe(
  Effect.catchTag(
    ["UnknownExample", "WrongBackend", "ServerError"],
    ({ message }) => Effect.andThen(Console.error(message), new Ended({ code: 1 }))
  ),
  Effect.provide(TerminalCapabilities.layer),
  Effect.provide(NodeServices.layer)
)

NodeRuntime.runMain(main)
