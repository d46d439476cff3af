import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Example, inOrder, lineOf } from "./catalogue.ts"

const leave = { title: "leave", value: Option.none<Example>() }

/** What a prompt writes beside a choice. */
const margin = 4

/** Lets somebody choose an example, and where it runs; nothing where they leave. */
export const choose = (all: ReadonlyArray<Example>) =>
  Effect.gen(function*() {
    // A terminal that does not know its size says 0.
    const { columns, rows } = process.stdout.columns > 0 ? process.stdout : { columns: 80, rows: 24 }
    const choices = inOrder(all).map((example) => ({
      title: lineOf(example, columns - margin),
      value: Option.some(example)
    }))
    const example = yield* Prompt.AutoComplete({
      message: "What do you want to see?",
      choices: [...choices, leave],
      filterPlaceholder: "type a number or a word; Esc leaves",
      maxPerPage: Math.max(5, rows - margin)
    })
    if (Option.isNone(example)) return Option.none()
    const { backends } = example.value
    const backend = backends.length === 1 ? "memory" : yield* Prompt.Select({
      message: "Where?",
      choices: backends.map((backend) => ({
        title: backend,
        value: backend,
        description: backend === "memory" ? "in this process" : "a private server, unless an address is given"
      }))
    })
    return Option.some({ example: example.value, args: backend === "memory" ? [] : ["--backend", backend] })
  }).pipe(
    // Of its own, so that nobody else reads what is typed when it is over.
    Effect.provide(Layer.fresh(NodeTerminal.layer)),
    Effect.catchTag("QuitError", () => Effect.succeed(Option.none()))
  )
