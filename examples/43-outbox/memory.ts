import { Broker } from "heddle/messaging"

/** The events stay in this process. */
export const layer = Broker.layerMemory
