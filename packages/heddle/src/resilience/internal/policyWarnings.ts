import type { Layer, Warning } from "../Policy.ts"

/** How many calls a layer makes of one. */
const factor = (layer: Layer): number => layer.worst({ attempts: 1, millis: 0 }).attempts

/** After how many milliseconds it ends what is inside of it. */
const limit = (layer: Layer): number =>
  layer.kind === "timeout" ? layer.worst({ attempts: 1, millis: Infinity }).millis : Infinity

const watches = ({ kind }: Layer): boolean => kind === "retry" || kind === "circuit breaker"

const answers = ({ kind }: Layer): boolean => kind === "fallback" || kind === "faults"

export const findMistakes = (layers: ReadonlyArray<Layer>, deadline: number): ReadonlyArray<Warning> => {
  const found: Array<Warning> = []
  const note = (mistake: Warning["mistake"], places: ReadonlyArray<number>, message: string) =>
    found.push({ mistake, layers: places, message })

  let least = deadline
  let bounded: number | undefined
  layers.forEach((outer, at) => {
    const own = limit(outer)
    if (outer.kind === "timeout") {
      if (own >= least) {
        const places = bounded === undefined ? [at] : [bounded, at]
        note(
          "NeverOver",
          places,
          `${outer.name} ends after ${own} ms, but all is over after ${least} ms: give it less time`
        )
      } else {
        least = own
        bounded = at
      }
    }
    if (
      outer.kind === "circuit breaker" && bounded !== undefined &&
      layers.slice(at).every(({ kind }) => kind !== "timeout")
    ) {
      const message = `calls that hang do not count for the breaker ${outer.name}: put a timeout inside of it`
      note("Uncounted", [bounded, at], message)
    }
    layers.slice(at + 1).forEach((inner, below) => {
      const places = [at, at + 1 + below]
      if (factor(outer) > 1 && factor(inner) > 1) {
        const calls = factor(outer) * factor(inner)
        const message =
          `the ${outer.kind} ${outer.name} and the ${inner.kind} ${inner.name} make ${calls} calls of one: keep one of them`
        note("Multiplies", places, message)
      }
      if (inner.of !== undefined && inner.of === outer.of) {
        note("Twice", places, `the ${outer.kind} ${outer.name} is there twice: keep one`)
      }
      if (inner.kind === "cache" && outer.kind === "cache") {
        note("Twice", places, `the cache ${inner.name} keeps nothing, as ${outer.name} takes the key: keep one`)
      }
      if (outer.kind === "cache" && answers(inner)) {
        note("Kept", places, `the cache ${outer.name} keeps what ${inner.name} answers: put the cache inside of it`)
      }
      if (inner.answersAll === true && watches(outer)) {
        const message =
          `the ${outer.kind} ${outer.name} sees no failure that ${inner.name} answers: put the fallback outside`
        note("Hidden", places, message)
      }
    })
  })
  return found
}
