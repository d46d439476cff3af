import * as Layer from "effect/Layer"
import { KvStore, LeaseStore } from "heddle/coordination"

/** Who leads, and the last tick, live in this process. */
export const layer = () => Layer.merge(LeaseStore.layerMemory, KvStore.layerMemory)
