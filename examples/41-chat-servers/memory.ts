import { Broker } from "heddle/messaging"

/** The messages stay in this process. */
export const layer = Broker.layerMemory
