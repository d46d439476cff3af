import { RabbitMqJobStore } from "@heddle/rabbitmq"
import type * as Layer from "effect/Layer"
import type { Job, JobAbility, JobStore } from "heddle/messaging"
import { expectTypeOf, test } from "vitest"

test("the store has delays, and neither order of keys, ids, priorities, batches, results nor control", () => {
  expectTypeOf(RabbitMqJobStore.layer()).toEqualTypeOf<
    Layer.Layer<JobStore.JobStore | JobAbility.Delay, Job.StoreUnavailable>
  >()
})
