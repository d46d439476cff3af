import * as Layer from "effect/Layer"
import { Broker, LogStore } from "heddle/messaging"

/** What is said stays in this process. */
export const layer = Layer.merge(Broker.layerMemory, LogStore.layerMemory)
