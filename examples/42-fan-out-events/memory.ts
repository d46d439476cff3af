import { Broker } from "heddle/messaging"

/** The changes stay in this process. */
export const layer = Broker.layerMemory
