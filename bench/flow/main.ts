/** The patterns of one process beside their peers. Each pattern brings a list of matches. */
import { type Match, play } from "../harness/loads.ts"

const matches: ReadonlyArray<Match> = []

export const flow = play("flow", matches)
