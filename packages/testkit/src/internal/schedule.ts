/**
 * One way through a program: the seed of its `Random` service and the choice taken at each fork in the road.
 */
export interface Schedule {
  readonly seed: number
  readonly choices: ReadonlyArray<number>
}

/**
 * Writes a schedule as a token: the seed, then `run of zeros:choice` for each choice that is not 0, all in base 36.
 */
export const encode = (schedule: Schedule): string => {
  const turns: Array<string> = []
  let zeros = 0
  for (const choice of schedule.choices) {
    if (choice === 0) {
      zeros++
    } else {
      turns.push(`${zeros.toString(36)}:${choice.toString(36)}`)
      zeros = 0
    }
  }
  return `${schedule.seed.toString(36)}/${turns.join(",")}`
}

/**
 * Reads a token back, or gives `undefined` for text that is none.
 */
export const decode = (token: string): Schedule | undefined => {
  const match = /^([0-9a-z]+)\/((?:[0-9a-z]+:[0-9a-z]+(?:,(?=.)|$))*)$/.exec(token)
  if (match === null) return undefined
  const [, seed = "", turns = ""] = match
  const choices: Array<number> = []
  for (const turn of turns === "" ? [] : turns.split(",")) {
    const [zeros = "", choice = ""] = turn.split(":")
    for (let i = Number.parseInt(zeros, 36); i > 0; i--) choices.push(0)
    choices.push(Number.parseInt(choice, 36))
  }
  return { seed: Number.parseInt(seed, 36), choices }
}

/**
 * Counts the choices that differ from "go on, else the oldest first": the length of the story a trace has to tell.
 */
export const turns = (choices: ReadonlyArray<number>): number => choices.filter((choice) => choice !== 0).length
