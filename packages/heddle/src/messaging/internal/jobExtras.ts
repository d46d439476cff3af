import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Outcome } from "../Job.ts"
import type { ControlSteps, ResultSteps } from "../JobBackend.ts"
import type { JobControl, JobResults } from "../JobStore.ts"
import { checkId, checkQueue, checkReport } from "./jobRequest.ts"
import { checked, lost } from "./jobSteps.ts"

const checkJob = (queue: string, id: string) => checkQueue(queue) ?? checkId(id)

export const controlOf = (steps: ControlSteps): JobControl["Service"] => ({
  inspect: (queue, id) =>
    checked(checkJob(queue, id), () => Effect.map(steps.inspect(queue, id), Option.fromUndefinedOr)),
  stats: (queue) => checked(checkQueue(queue), () => steps.stats(queue)),
  cancel: (queue, id) => checked(checkJob(queue, id), () => steps.cancel(queue, id)),
  pause: (queue) => checked(checkQueue(queue), () => steps.setPaused(queue, true)),
  resume: (queue) => checked(checkQueue(queue), () => steps.setPaused(queue, false))
})

export const resultsOf = (steps: ResultSteps): JobResults["Service"] => {
  const follow: JobResults["Service"]["follow"] = (queue, id) => {
    const wrong = checkJob(queue, id)
    return wrong === undefined ? steps.follow(queue, id) : Stream.fail(wrong)
  }
  return {
    report: (job, value) =>
      checked(
        checkReport(value),
        () => Effect.flatMap(steps.report(job, value), (known) => known ? Effect.void : Effect.fail(lost(job)))
      ),
    follow,
    outcome: (queue, id) =>
      Stream.runFold(
        follow(queue, id),
        (): Outcome => ({ _tag: "Unknown" }),
        (last, event) => event._tag === "Ended" ? event.outcome : last
      )
  }
}
