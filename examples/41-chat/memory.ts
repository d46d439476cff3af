import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker } from "heddle/messaging"

/** Three servers in one process have one broker. */
export const servers = () => Effect.map(Layer.build(Broker.layerMemory), (one) => [one, one, one] as const)
