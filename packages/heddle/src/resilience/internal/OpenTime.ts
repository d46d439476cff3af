import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { toMillis } from "./check.ts"

/** How long a circuit stays open: each time as long, or as a schedule says. */
export type OpenTime = number | ScheduledTime

export const openTime = (input: Duration.Input | Schedule.Schedule<unknown>): OpenTime =>
  Schedule.isSchedule(input) ? new ScheduledTime(input) : toMillis(input)

/** The delays of a schedule, one each time that the circuit opens; when it has ended, its last one. */
export class ScheduledTime {
  private readonly schedule: Schedule.Schedule<unknown>
  private step: Effect.Effect<number> | undefined
  private last = 0
  constructor(schedule: Schedule.Schedule<unknown>) {
    this.schedule = schedule
  }

  /** The next delay, in milliseconds. `again`: the circuit was stable since, and the schedule begins anew. */
  next(again: boolean): Effect.Effect<number> {
    if (again) this.step = undefined
    return this.step ?? Effect.flatMap(Schedule.toStep(this.schedule), (step) => {
      const next = Effect.clockWith((clock) => step(clock.currentTimeMillisUnsafe(), undefined)).pipe(
        Effect.exit,
        Effect.map((exit) => {
          if (Exit.isSuccess(exit)) this.last = Duration.toMillis(exit.value[1])
          return this.last
        })
      )
      this.step = next
      return next
    })
  }
}
